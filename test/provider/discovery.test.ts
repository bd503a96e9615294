import { describe, expect, onTestFinished, test, vi } from "vitest";
import { createDiscovery } from "../../lib/provider/discovery.js";
import { resolveSettings } from "../../lib/settings/resolve-options.js";
import { Browser } from "../support/browser.js";
import { advanceDate } from "../support/fake-time.js";
import { SESSION_SECRET, startWorld } from "../support/world.js";

const DISCOVERY = "/.well-known/openid-configuration";
const HOUR_MS = 60 * 60 * 1000;

describe("discovery", () => {
  test("happens at the first login", async () => {
    const { browser, url, asked } = await startWorld();
    await browser.fetch(`${url}/account`);
    await browser.visit(`${url}/`);
    expect(asked(DISCOVERY)).toEqual([]);
    await browser.navigate(`${url}/login`);
    expect(asked(DISCOVERY)).toHaveLength(1);
  });

  test("happens once for concurrent and later logins", async () => {
    const { url, asked } = await startWorld();
    await Promise.all(Array.from({ length: 20 }, () => new Browser().navigate(`${url}/login`)));
    await new Browser().navigate(`${url}/login`);
    expect(asked(DISCOVERY)).toHaveLength(1);
  });

  test("happens again after one hour, while requests use the previous result", async () => {
    const { browser, url, provider, asked } = await startWorld();
    await browser.navigate(`${url}/login`);
    provider.alterDiscovery((document) => ({
      ...document,
      authorization_endpoint: `${provider.issuer}/new`,
    }));
    advanceDate(HOUR_MS + 1000);
    expect((await browser.navigate(`${url}/login`)).headers.location).toContain("/oauth2/authorize?");
    await vi.waitFor(async () => {
      expect((await browser.navigate(`${url}/login`)).headers.location).toContain("/new?");
    });
    expect(asked(DISCOVERY)).toHaveLength(2);
  });

  test("that fails after one hour affects no login, and happens again one minute later", async () => {
    const { browser, url, provider, asked } = await startWorld();
    await browser.navigate(`${url}/login`);
    provider.goDown();
    advanceDate(HOUR_MS + 1000);
    for (let visit = 0; visit < 3; visit += 1)
      expect((await browser.navigate(`${url}/login`)).status).toBe(302);
    await provider.comeUp();
    expect(asked(DISCOVERY)).toHaveLength(1);
    advanceDate(61_000);
    await browser.navigate(`${url}/login`);
    await vi.waitFor(() => expect(asked(DISCOVERY)).toHaveLength(2));
  });
});

describe("an unreachable provider", () => {
  test("at the first login causes a 503 page, and the next login works without a restart", async () => {
    const { browser, url, provider } = await startWorld({ log: [/portal_unreachable/] });
    provider.goDown();
    const page = await browser.visit(`${url}/account`);
    expect([page.status, page.headers["retry-after"]]).toEqual([503, "5"]);
    expect(page.body).toContain("portal_unreachable");
    expect(page.body).toContain('href="/login?returnTo=%2Faccount">Try again');
    expect(page.headers["set-cookie"]).toBeUndefined();
    await provider.comeUp();
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
  });

  test("at the callback causes a 503 page, and the next login works", async () => {
    const { browser, url, provider } = await startWorld({ log: [/portal_unreachable/] });
    const callback = await browser.loginUntilCallback(`${url}/account`);
    provider.goDown();
    expect((await browser.navigate(callback)).status).toBe(503);
    await provider.comeUp();
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
  });

  test("does not affect signed-in users", async () => {
    const { browser, url, provider } = await startWorld();
    await browser.visit(`${url}/account`);
    provider.goDown();
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
  });

  test("is reported to a client of an API as problem+json", async () => {
    const { browser, url, provider } = await startWorld({ log: [/portal_unreachable/] });
    provider.goDown();
    const headers = { accept: "application/json" };
    const response = await browser.request(`${url}/login`, { headers });
    expect([response.status, response.headers["content-type"]]).toEqual([503, "application/problem+json"]);
    expect(JSON.parse(response.body)).toMatchObject({ code: "portal_unreachable", status: 503 });
  });
});

describe("an invalid discovery document is rejected", () => {
  test.each<[string, (document: Record<string, unknown>) => unknown, string, number]>([
    ["another issuer", (d) => ({ ...d, issuer: "https://evil.example" }), "issuer_mismatch", 500],
    ["no issuer", ({ issuer: _, ...d }) => d, "discovery_invalid", 502],
    ["no authorization endpoint", ({ authorization_endpoint: _, ...d }) => d, "discovery_invalid", 502],
    ["no token endpoint", ({ token_endpoint: _, ...d }) => d, "discovery_invalid", 502],
    ["no keys", ({ jwks_uri: _, ...d }) => d, "discovery_invalid", 502],
    ["an array", () => [], "discovery_invalid", 502],
    ["HTML", () => "<html>", "discovery_invalid", 502],
    ["a token endpoint that is not a URL", (d) => ({ ...d, token_endpoint: 7 }), "discovery_invalid", 502],
    [
      "an authorization endpoint that is a script",
      (d) => ({ ...d, authorization_endpoint: "javascript:alert(1)" }),
      "discovery_invalid",
      502,
    ],
    [
      "a token endpoint with http on another host",
      (d) => ({ ...d, token_endpoint: "http://portal.example/token" }),
      "discovery_invalid",
      502,
    ],
    [
      "keys with http on another host",
      (d) => ({ ...d, jwks_uri: "http://portal.example/keys" }),
      "discovery_invalid",
      502,
    ],
    [
      "a logout URL that is a script",
      (d) => ({ ...d, end_session_endpoint: "javascript:alert(1)" }),
      "discovery_invalid",
      502,
    ],
  ])("%s", async (_name, alter, code, status) => {
    const { browser, url, provider } = await startWorld({ log: [new RegExp(code)] });
    provider.alterDiscovery(alter);
    const page = await browser.visit(`${url}/account`);
    expect([page.status, page.body.match(/(\w+) · request/)?.[1]]).toEqual([status, code]);
    provider.alterDiscovery((document) => document);
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
  });

  test.each([
    ["404", 404, "discovery_invalid", 502],
    ["a redirect", 302, "discovery_invalid", 502],
    ["500", 500, "portal_failed", 503],
  ])("%s", async (_name, providerStatus, code, status) => {
    const { browser, url, provider } = await startWorld({ log: [new RegExp(code)] });
    provider.answerNext(DISCOVERY, (_req, res) =>
      res.writeHead(providerStatus, { location: "http://127.0.0.1:1/" }).end(),
    );
    const page = await browser.visit(`${url}/account`);
    expect([page.status, page.body.includes(code)]).toEqual([status, true]);
  });
});

describe("an endpoint that the discovery document omits", () => {
  test("comes from the profile: the URLs for revocation and logout", async () => {
    const { browser, url, provider, asked } = await startWorld();
    await browser.visit(`${url}/account`);
    const out = await browser.navigate(`${url}/logout`, { site: "same-origin" });
    expect(out.headers.location).toMatch(new RegExp(`^${provider.issuer}/logout\\?`));
    expect(asked("/oauth2/revoke")).toHaveLength(1);
  });

  test("is missing without a profile: no token is revoked, and the logout ends at the app", async () => {
    const { browser, url, asked } = await startWorld({ options: { profile: "openid" } });
    await browser.visit(`${url}/account`);
    expect((await browser.navigate(`${url}/logout`, { site: "same-origin" })).headers.location).toBe(
      `${url}/`,
    );
    expect(asked("/oauth2/revoke")).toEqual([]);
  });

  test("comes from an option, which overrides the document", async () => {
    const { browser, url } = await startWorld({
      provider: { document: "full" },
      options: { profile: "openid", logoutUrl: "https://other.example/bye" },
    });
    await browser.visit(`${url}/account`);
    const { headers } = await browser.navigate(`${url}/logout`, { site: "same-origin" });
    expect(headers.location).toMatch(/^https:\/\/other\.example\/bye\?/);
  });
});

describe("with an https issuer", () => {
  const issuer = "https://portal.example";
  const validDocument = {
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    jwks_uri: `${issuer}/jwks`,
    response_types_supported: ["code"],
  };
  const options = {
    issuer,
    clientId: "this-app",
    clientSecret: "x",
    redirectUri: "https://app.example/callback",
  };
  const discover = (members: object, more: object = {}) => {
    vi.stubGlobal("fetch", async () => Response.json({ ...validDocument, ...members }));
    onTestFinished(() => void vi.unstubAllGlobals());
    return createDiscovery(resolveSettings({ ...options, secret: SESSION_SECRET, ...more }, {}))();
  };

  test("a valid document is accepted", async () => {
    const { metadata } = await discover({ userinfo_endpoint: `${issuer}/me` });
    expect(metadata).toMatchObject({ token_endpoint: `${issuer}/token`, userinfo_endpoint: `${issuer}/me` });
  });

  test.each([
    [{ token_endpoint: "http://127.0.0.1/token" }, "token_endpoint"],
    [
      { jwks_uri: "http://localhost/jwks", userinfo_endpoint: "http://127.0.0.1/me" },
      "jwks_uri, userinfo_endpoint",
    ],
    [{ authorization_endpoint: ["https://portal.example"] }, "authorization_endpoint"],
    [{ end_session_endpoint: "http://portal.example/bye" }, "end_session_endpoint"],
    [{ revocation_endpoint: 7 }, "revocation_endpoint"],
  ])("%j is rejected, because all endpoints must be https, also on loopback", async (members, names) => {
    await expect(discover(members)).rejects.toMatchObject({
      code: "discovery_invalid",
      detail: `${names}: missing or not an https URL`,
    });
  });

  test("a failed rediscovery is repeated after one minute, and not before", async () => {
    const start = Date.now();
    const clock = vi.spyOn(Date, "now").mockReturnValue(start);
    const fetch = vi.fn(async () => Response.json(validDocument));
    vi.stubGlobal("fetch", fetch);
    onTestFinished(() => void vi.unstubAllGlobals());
    const getProvider = createDiscovery(resolveSettings({ ...options, secret: SESSION_SECRET }, {}));
    const first = await getProvider();
    fetch.mockImplementation(async () => Promise.reject(new TypeError("fetch failed")));
    const countRequestsAfter = async (seconds: number) => {
      clock.mockReturnValue(start + seconds * 1000);
      expect(await getProvider()).toBe(first);
      await new Promise((resolve) => setImmediate(resolve)); // the rediscovery has failed by then
      return fetch.mock.calls.length;
    };
    expect(await countRequestsAfter(3599)).toBe(1);
    expect(await countRequestsAfter(3602)).toBe(2);
    expect(await countRequestsAfter(3602 + 58)).toBe(2);
    expect(await countRequestsAfter(3602 + 61)).toBe(3);
  });
});
