import { expect, test } from "vitest";
import { framing, headersBack, headersOn, isOurs } from "../../lib/proxy/headers.js";

test.each([
  ["of one connection", { "keep-alive": "timeout=5", te: "trailers", trailer: "x", upgrade: "h2c" }],
  ["what Connection lists", { connection: "close, X-Private ,content-type", "x-private": "1", "content-type": "a/b" }],
  ["of proxies", { "proxy-authorization": "Basic x", "proxy-connection": "keep-alive" }],
  ["a login that is not ours", { authorization: "Basic x", cookie: "a=b" }],
  ["of the body's way here", { "transfer-encoding": "chunked", "content-length": "5", expect: "100-continue" }],
  ["of the page", { origin: "https://app.example", referer: "https://app.example/?secret", host: "app.example" }],
  ["of the browser", { "sec-fetch-site": "same-origin", "sec-websocket-key": "x", "sec-ch-ua": "x" }],
  [
    "of who asks",
    { forwarded: "for=1.1.1.1", "x-forwarded-for": "1.1.1.1", "x-forwarded-user": "root", "x-real-ip": "1.1.1.1" },
  ],
  [
    "of who asks, in the words of one server in front",
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
  ["of which path is meant", { "x-original-url": "/admin", "x-rewrite-url": "/admin", "x-forwarded-prefix": "/x" }],
  ["of which host is meant", { "x-host": "evil.example", "x-original-host": "evil.example" }],
  [
    "of which method is meant",
    { "x-http-method-override": "DELETE", "x-http-method": "DELETE", "x-method-override": "DELETE" },
  ],
  [
    "of who they are",
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
    "of how they ask",
    { "x-forwarded": "for=1.1.1.1", "client-ip": "1.1.1.1", "wl-proxy-client-ip": "1.1.1.1", "front-end-https": "on" },
  ],
  ["what CGI reads as another", { x_forwarded_for: "1.1.1.1", x_api_key: "1" }],
])("not sent to the upstream: %s", (_name, headers) => {
  expect(headersOn({ ...headers, accept: "text/plain" })).toEqual({ accept: "text/plain" });
});

test("sent to the upstream: what the front end says", () => {
  const headers = {
    accept: "a/b",
    "accept-encoding": "gzip",
    "content-type": "application/json",
    "content-encoding": "gzip",
    "if-none-match": '"x"',
    range: "bytes=0-1",
    "x-csrf": "1",
    "user-agent": "x",
    "x-api-key": "x",
    "x-auth-token": "x",
    "x-client-version": "x",
    "x-requested-with": "XMLHttpRequest",
    "x-request-id": "x",
    traceparent: "x",
    authority: "x",
  };
  expect(headersOn({ ...headers, connection: "keep-alive" })).toEqual(headers);
});

test.each([
  ["of one connection", { "transfer-encoding": "chunked", trailer: "x", upgrade: "h2", "keep-alive": "timeout=5" }],
  ["what Connection lists", { connection: "close, x-private", "x-private": "1" }],
  ["cookies", { "set-cookie": ["__Host-portal-session=evil; Path=/; Secure"] }],
  ["what asks people for a password", { "www-authenticate": 'Basic realm="x"', "proxy-authenticate": "Basic" }],
  ["CORS", { "access-control-allow-origin": "https://evil.example", "access-control-allow-credentials": "true" }],
  [
    "what speaks for the origin",
    { "clear-site-data": '"*"', "strict-transport-security": "max-age=1", "alt-svc": 'h2="x"', nel: "{}" },
  ],
  ["what widens a worker", { "service-worker-allowed": "/" }],
  [
    "what a cache in front obeys before Cache-Control",
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
  ["what leads a page elsewhere", { refresh: "0; url=https://evil.example", "speculation-rules": '"/x.json"' }],
  ["what asks browsers for more", { "accept-ch": "Sec-CH-UA-Model", "critical-ch": "Sec-CH-UA-Model" }],
  [
    "what the server in front may obey",
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
])("not handed to the browser: %s", (_name, headers) => {
  expect(Object.keys(headersBack({ ...headers, etag: '"x"' })).sort()).toEqual([
    "cache-control",
    "etag",
    "x-content-type-options",
  ]);
});

test("handed to the browser: what the answer is", () => {
  const headers = {
    "content-type": "application/json",
    "content-length": "5",
    "content-encoding": "gzip",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "content-disposition": "attachment",
    link: "<a>; rel=next",
  };
  expect(headersBack(headers)).toEqual(headers);
});

test.each([
  [undefined, "private, no-cache"],
  ["max-age=60", "max-age=60, private"],
  ["private, max-age=60", "private, max-age=60"],
  ["no-store", "no-store"],
  ["public, max-age=60", "public, max-age=60"],
  ["s-maxage=60", "s-maxage=60"],
])("shared caches keep what the upstream gave to anybody, and nothing else: %s", (given, expected) => {
  expect(headersBack(given === undefined ? {} : { "cache-control": given })["cache-control"]).toBe(expected);
});

test("a body is as long as it came, whatever Connection lists", () => {
  expect(framing({ "content-length": "5", connection: "content-length" })).toEqual({ "content-length": "5" });
  expect(framing({ "transfer-encoding": "chunked" })).toEqual({ "transfer-encoding": "chunked" });
  expect([framing({}), framing({ "content-length": "0" })]).toEqual([undefined, undefined]);
});

test("what the proxy says itself no option says", () => {
  const names = [
    "authorization",
    "cookie",
    "host",
    "connection",
    "transfer-encoding",
    "content-length",
    "proxy-x",
    "x-a",
  ];
  expect(names.filter(isOurs)).toEqual(names.slice(0, -1));
});
