import { expect, test } from "vitest";
import {
  filterRequestHeaders,
  filterResponseHeaders,
  getBodyLengthHeader,
  isNeverForwarded,
  isOwnRequestHeader,
  isOwnResponseHeader,
  isUncodedOrChunked,
} from "../../lib/proxy/forwarded-headers.js";

const NONE = new Set<string>();

test.each([
  ["headers of one connection", { "keep-alive": "timeout=5", te: "trailers", trailer: "x", upgrade: "h2c" }],
  [
    "headers that Connection lists",
    { connection: "close, X-Private ,content-type", "x-private": "1", "content-type": "a/b" },
  ],
  ["headers for proxies", { "proxy-authorization": "Basic x", "proxy-connection": "keep-alive" }],
  ["other credentials", { authorization: "Basic x", cookie: "a=b" }],
  [
    "the transfer of the body",
    { "transfer-encoding": "chunked", "content-length": "5", expect: "100-continue" },
  ],
  [
    "the page",
    { origin: "https://app.example", referer: "https://app.example/?secret", host: "app.example" },
  ],
  ["the browser", { "sec-fetch-site": "same-origin", "sec-websocket-key": "x", "sec-ch-ua": "x" }],
  [
    "the client's address",
    {
      forwarded: "for=1.1.1.1",
      "x-forwarded-for": "1.1.1.1",
      "x-forwarded-user": "root",
      "x-real-ip": "1.1.1.1",
    },
  ],
  [
    "the client's address, in headers of particular proxies",
    {
      "cf-connecting-ip": "1.1.1.1",
      "fastly-client-ip": "1.1.1.1",
      "true-client-ip": "1.1.1.1",
      "x-azure-clientip": "1.1.1.1",
      "x-client-ip": "1.1.1.1",
      "x-cluster-client-ip": "1.1.1.1",
      "x-envoy-external-address": "1.1.1.1",
      "x-original-forwarded-for": "1.1.1.1",
    },
  ],
  ["another path", { "x-original-url": "/admin", "x-rewrite-url": "/admin", "x-forwarded-prefix": "/x" }],
  ["another host", { "x-host": "evil.example", "x-original-host": "evil.example" }],
  [
    "another method",
    { "x-http-method-override": "DELETE", "x-http-method": "DELETE", "x-method-override": "DELETE" },
  ],
  [
    "the user's identity",
    {
      "remote-user": "root",
      "x-remote-user": "root",
      "x-auth-request-user": "root",
      "x-authenticated-userid": "root",
      "x-ms-client-principal": "root",
      "x-amzn-oidc-data": "root",
      "x-goog-authenticated-user-email": "root",
      "x-ssl-client-cert": "root",
      "x-arr-clientcert": "root",
      "x-client-cert": "root",
    },
  ],
  [
    "the client's connection",
    {
      "x-forwarded": "for=1.1.1.1",
      "client-ip": "1.1.1.1",
      "wl-proxy-client-ip": "1.1.1.1",
      "front-end-https": "on",
    },
  ],
  [
    "the user's identity, in headers of particular gateways",
    {
      "cf-access-authenticated-user-email": "root",
      "cf-access-jwt-assertion": "root",
      "x-webauth-user": "root",
      "x-consumer-username": "root",
      "x-credential-identifier": "root",
      "x-anonymous-consumer": "false",
      "x-ms-token-aad-id-token": "root",
      "x-ms-token-aad-access-token": "root",
      "x-client-dn": "root",
      "x-token-subject": "root",
      "x-user-id": "root",
      "x-userinfo": "root",
      "x-tenant": "root",
      "x-vouch-user": "root",
      "x-pomerium-claim-email": "root",
      "tailscale-user-login": "root",
    },
  ],
  [
    "the route of the request",
    { via: "1.1 proxy", "cdn-loop": "x", "max-forwards": "1", "x-envoy-retry-on": "5xx", from: "x" },
  ],
  [
    "API keys and other headers without a standard",
    { "x-api-key": "x", "x-auth-token": "x", "x-anything": "x" },
  ],
  ["pseudo headers of HTTP/2", { ":path": "/admin", ":authority": "evil.example" }],
  ["names that CGI reads as other headers", { x_forwarded_for: "1.1.1.1", x_api_key: "1" }],
])("headers that the upstream does not get: %s", (_name, headers) => {
  expect(filterRequestHeaders({ ...headers, accept: "text/plain" }, NONE)).toEqual({ accept: "text/plain" });
});

test("the upstream gets the headers that APIs read", () => {
  const headers = {
    accept: "a/b",
    "accept-encoding": "gzip",
    "accept-language": "zh-CN",
    "cache-control": "no-cache",
    "content-type": "application/json",
    "content-encoding": "gzip",
    "content-disposition": "attachment",
    "content-range": "bytes 0-1/2",
    "idempotency-key": "x",
    "if-match": '"x"',
    "if-none-match": '"x"',
    "if-modified-since": "x",
    "last-event-id": "7",
    prefer: "return=minimal",
    range: "bytes=0-1",
    "user-agent": "x",
    "x-requested-with": "XMLHttpRequest",
    "x-request-id": "x",
    traceparent: "x",
    tracestate: "x",
    baggage: "x",
  };
  expect(filterRequestHeaders({ ...headers, connection: "keep-alive" }, NONE)).toEqual(headers);
});

test("the option requestHeaders adds headers, except those that Connection lists", () => {
  const allowed = new Set(["x-api-version", "x-other"]);
  const headers = { "x-api-version": "2", "x-other": "1", "x-third": "3", connection: "x-other" };
  expect(filterRequestHeaders(headers, allowed)).toEqual({ "x-api-version": "2" });
});

test.each([
  [
    "headers of one connection",
    { "transfer-encoding": "chunked", trailer: "x", upgrade: "h2", "keep-alive": "timeout=5" },
  ],
  ["headers that Connection lists", { connection: "close, x-private", "x-private": "1" }],
  ["cookies", { "set-cookie": ["__Host-portal-session=evil; Path=/; Secure"] }],
  ["password challenges", { "www-authenticate": 'Basic realm="x"', "proxy-authenticate": "Basic" }],
  [
    "CORS",
    { "access-control-allow-origin": "https://evil.example", "access-control-allow-credentials": "true" },
  ],
  [
    "headers that apply to the origin",
    { "clear-site-data": '"*"', "strict-transport-security": "max-age=1", "alt-svc": 'h2="x"', nel: "{}" },
  ],
  ["a wider scope for service workers", { "service-worker-allowed": "/" }],
  [
    "headers that caches prefer to Cache-Control",
    {
      "cdn-cache-control": "max-age=600",
      "cloudflare-cdn-cache-control": "max-age=600",
      "surrogate-control": "max-age=600",
      "surrogate-key": "x",
      "edge-control": "max-age=600",
      "x-litespeed-cache-control": "public",
    },
  ],
  [
    "further cookies and logins",
    { "set-cookie2": "a=b", "set-login": "logged-in", "secure-session-registration": "(ES256)" },
  ],
  [
    "headers that load another page",
    { refresh: "0; url=https://evil.example", "speculation-rules": '"/x.json"' },
  ],
  [
    "headers that browsers store for the origin, and reports to other sites",
    {
      "report-to": "{}",
      "reporting-endpoints": 'x="https://evil.example"',
      "public-key-pins": "x",
      "origin-agent-cluster": "?1",
      "permissions-policy": "camera=*",
      "cross-origin-opener-policy": "unsafe-none",
      "cross-origin-embedder-policy": "unsafe-none",
      "cross-origin-resource-policy": "cross-origin",
      "timing-allow-origin": "*",
      "supports-loading-mode": "credentialed-prerender",
      "no-vary-search": "params",
      "use-as-dictionary": 'match="/*"',
      "available-dictionary": ":x:",
      sourcemap: "https://evil.example/x.map",
      "x-dns-prefetch-control": "on",
      "x-powered-by": "x",
      server: "x",
    },
  ],
  ["a Link that loads something", { link: "<https://evil.example/x>; rel=preload; as=script" }],
  ["such a Link among others", { link: '</a>; rel="next", </b>; rel="dns-prefetch preconnect"' }],
  ["such a Link in another spelling", { link: '</x>; rel="pre\\load"' }],
  ["such a Link that is hidden from a search", { link: '<a>; title="<"; rel=preload; x=">"; rel=next' }],
  ["such a Link with a language", { link: "</x>; rel*=UTF-8''preload; rel=next" }],
  ["a Link without a relation", { link: "</x>" }],
  ["a Link to a style sheet", { link: "</x.css>;REL = 'alternate stylesheet'" }],
  ["requests for more client hints", { "accept-ch": "Sec-CH-UA-Model", "critical-ch": "Sec-CH-UA-Model" }],
  [
    "commands to the web server in front",
    {
      "x-accel-redirect": "/secrets/x",
      "x-accel-buffering": "no",
      "x-sendfile": "/etc/passwd",
      "x-sendfile-type": "x",
      "x-litespeed-location": "/secrets/x",
      "x-lighttpd-send-file": "/etc/passwd",
      "x-reproxy-url": "http://127.0.0.1/",
    },
  ],
])("headers that the browser does not get: %s", (_name, headers) => {
  expect(filterResponseHeaders({ ...headers, etag: '"x"' }, NONE)).toEqual({
    etag: '"x"',
    "cache-control": "private, no-cache",
    "cross-origin-resource-policy": "same-origin",
    "x-content-type-options": "nosniff",
  });
});

test("the browser gets the headers that describe the response", () => {
  const headers = {
    "content-type": "application/json",
    "content-length": "5",
    "content-encoding": "gzip",
    "cache-control": "no-store",
    "content-disposition": "attachment",
    etag: '"x"',
    "last-modified": "x",
    "retry-after": "5",
    "ratelimit-policy": "x",
    "x-ratelimit-remaining": "1",
    "x-rate-limit-reset": "1",
    "x-total-count": "7",
    "x-request-id": "x",
    link: '</a?page=2>; rel="next", </release>; REL = last',
  };
  const {
    "cross-origin-resource-policy": _,
    "x-content-type-options": __,
    ...forwarded
  } = filterResponseHeaders(headers, NONE);
  expect(forwarded).toEqual(headers);
});

test("X-Content-Type-Options is always nosniff", () => {
  const headers = { "x-content-type-options": "sniff" };
  for (const allowed of [NONE, new Set(["x-content-type-options"])])
    expect(filterResponseHeaders(headers, allowed)["x-content-type-options"]).toBe("nosniff");
});

test("the option responseHeaders adds headers, also the upstream's Cross-Origin-Resource-Policy", () => {
  const headers = { "x-app": "1", "cross-origin-resource-policy": "cross-origin", "x-third": "3" };
  expect(filterResponseHeaders(headers, new Set(["x-app", "cross-origin-resource-policy"]))).toEqual({
    "x-app": "1",
    "cross-origin-resource-policy": "cross-origin",
    "cache-control": "private, no-cache",
    "x-content-type-options": "nosniff",
  });
});

test.each([
  [undefined, "private, no-cache"],
  ["max-age=60", "max-age=60, private"],
  ["private, max-age=60", "private, max-age=60"],
  ["no-store", "no-store"],
  ["public, max-age=60", "public, max-age=60"],
  ["s-maxage=60", "s-maxage=60"],
  ["Public", "Public"],
  ['no-cache="private"', 'no-cache="private", private'],
  ['private="set-cookie", max-age=60', 'private="set-cookie", max-age=60, private'],
  ["x-private, max-age=60", "x-private, max-age=60, private"],
  ["max-age=public", "max-age=public, private"],
  ["", "private, no-cache"],
  [",", "private, no-cache"],
  ['max-age="60', "private, no-cache"],
  ["no directives, but words", "private, no-cache"],
])("Cache-Control allows shared caches only if the upstream does: %s", (cacheControl, expected) => {
  const headers = cacheControl === undefined ? {} : { "cache-control": cacheControl };
  expect(filterResponseHeaders(headers, NONE)["cache-control"]).toBe(expected);
});

test("the length of a body is forwarded, even if Connection lists its header", () => {
  expect(getBodyLengthHeader({ "content-length": "5", connection: "content-length" })).toEqual({
    "content-length": "5",
  });
  expect(getBodyLengthHeader({ "transfer-encoding": "chunked" })).toEqual({ "transfer-encoding": "chunked" });
  expect([getBodyLengthHeader({}), getBodyLengthHeader({ "content-length": "0" })]).toEqual([
    undefined,
    undefined,
  ]);
});

test.each([undefined, "chunked", "Chunked", " chunked "])(
  "a body in the coding %j can be forwarded",
  (coding) => {
    expect(isUncodedOrChunked(coding === undefined ? {} : { "transfer-encoding": coding })).toBe(true);
  },
);

test.each(["gzip, chunked", "gzip", "chunked, chunked", "identity", "", "xchunked"])(
  "a body in the coding %j cannot be forwarded",
  (coding) => {
    expect(isUncodedOrChunked({ "transfer-encoding": coding })).toBe(false);
  },
);

test("no option can allow the headers that the proxy sets itself", () => {
  const requestHeaders = [
    "authorization",
    "cookie",
    "host",
    "connection",
    "transfer-encoding",
    "content-length",
    "proxy-x",
  ];
  expect([...requestHeaders, "x-a"].filter(isOwnRequestHeader)).toEqual(requestHeaders);
  const neverForwarded = [...requestHeaders, "x-forwarded-for", "forwarded", "x_a"];
  expect([...neverForwarded, "x-a"].filter(isNeverForwarded)).toEqual(neverForwarded);
  const responseHeaders = [
    "set-cookie",
    "location",
    "vary",
    "cache-control",
    "www-authenticate",
    "x-content-type-options",
  ];
  expect([...responseHeaders, "x-a"].filter(isOwnResponseHeader)).toEqual(responseHeaders);
});
