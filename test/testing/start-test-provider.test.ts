import express from "express";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { type PortalAuthOptions, portalAuth, portalErrors, requireAuth } from "../../lib/index.js";
import { fakeClock, startTestProvider, type TestProviderOptions } from "../../lib/testing/index.js";
import { Browser } from "../support/browser.js";
import { serve } from "../support/serve.js";

/** Starts a test provider and an app on a free port, like a test of an application. */
async function start(providerOptions: TestProviderOptions = {}, options: PortalAuthOptions = {}) {
  for (const level of ["warn", "error"] as const) vi.spyOn(console, level).mockImplementation(() => {});
  const provider = await startTestProvider(providerOptions);
  onTestFinished(() => provider.close());
  const app = express();
  const url = await serve(app);
  app.use(
    portalAuth({ ...provider.options, redirectUri: `${url}/callback`, secret: "s".repeat(40), ...options }),
  );
  app.get("/account", requireAuth(), (req, res) => void res.json(req.portal.claims));
  app.get(
    "/fresh",
    requireAuth({ freshToken: true }),
    async (req, res) => void res.json(await req.portal.tokens()),
  );
  app.use(portalErrors());
  const ask = async (path: string, cookie: string) => {
    const response = await fetch(url + path, { headers: { cookie } });
    const body = (await response.json().catch(() => ({}))) as Record<string, unknown>;
    return { status: response.status, body };
  };
  return { provider, url, ask };
}

test("without options, an app on any port can sign in without a browser", async () => {
  const { provider, url, ask } = await start();
  const { cookie, location, status, body } = await provider.signIn(`${url}/account`);
  expect([status, location]).toEqual([200, `${url}/account`]);
  expect(JSON.parse(body)).toMatchObject({ sub: "lin-xiaoyu" });
  expect((await ask("/account", cookie)).body).toMatchObject({ sub: "lin-xiaoyu", aud: "test-app" });
  expect(
    (await ask("/account", (await provider.signIn(`${url}/account`, "jonas-weber")).cookie)).body["sub"],
  ).toBe("jonas-weber");
});

test("an unknown option is rejected", async () => {
  const misspelt = { accessTokenLifetime: 5 } as TestProviderOptions;
  await expect(startTestProvider(misspelt)).rejects.toThrow(
    "startTestProvider: there is no option accessTokenLifetime",
  );
});

test("signIn() rejects an unknown user, and lists the known users", async () => {
  const { provider, url } = await start();
  await expect(provider.signIn(`${url}/account`, "unknown-user")).rejects.toThrow(
    "the test provider has no user unknown-user. Its users are: lin-xiaoyu, ",
  );
});

test("the option users sets the users, env contains the settings, and requests are recorded", async () => {
  const { provider, url } = await start({ users: [{ sub: "ada", name: "Ada" }], clientId: "mine" });
  expect(provider.env).toEqual({
    PORTAL_ISSUER: provider.issuer,
    PORTAL_PROFILE: "tencent-ciam",
    PORTAL_CLIENT_ID: "mine",
    PORTAL_CLIENT_SECRET: provider.options.clientSecret,
  });
  await provider.signIn(`${url}/account`);
  expect(provider.requests.filter(({ path }) => path === "/oauth2/token")).toHaveLength(1);
});

test('an app can sign in at a provider with document: "full"', async () => {
  const { provider, url } = await start({ document: "full" });
  expect(provider.options.profile).toBe("openid");
  expect((await provider.signIn(`${url}/account`)).status).toBe(200);
});

test("with redirectUris, all other redirect URIs are rejected", async () => {
  const { provider, url } = await start({ redirectUris: ["http://127.0.0.1:1/callback"] });
  const { location, status } = await provider.signIn(`${url}/account`);
  expect([status, location.startsWith(provider.issuer)]).toEqual([400, true]);
});

test("without redirectUris, only loopback redirect URIs are accepted", async () => {
  const { provider } = await start();
  const url = new URL(
    `${provider.issuer}/oauth2/authorize?client_id=test-app&response_type=code&scope=openid`,
  );
  for (const [redirectUri, status] of [
    ["http://localhost:1234/back", 302],
    ["https://app.example/callback", 400],
    ["http://app.example/callback", 400],
    ["http://127.0.0.1.evil.example/callback", 400],
  ] as const) {
    url.searchParams.set("redirect_uri", redirectUri);
    expect([redirectUri, (await fetch(url, { redirect: "manual" })).status]).toEqual([redirectUri, status]);
  }
});

test("a second click on a user, after the login has ended, also leads to a code", async () => {
  const { provider, url } = await start();
  const browser = new Browser();
  const page = await browser.navigate((await browser.navigate(`${url}/login`)).headers.location ?? "");
  const loginPage = new URL(page.headers.location ?? "", provider.issuer);
  const click = () =>
    browser.navigate(loginPage, { method: "POST", form: { sub: "jonas-weber" }, site: "same-origin" });
  const follow = async (response: Awaited<ReturnType<typeof click>>) => {
    let { headers } = response;
    while (headers.location?.startsWith("/") || headers.location?.startsWith(provider.issuer))
      ({ headers } = await browser.navigate(new URL(headers.location, provider.issuer)));
    return new URL(headers.location ?? "");
  };
  const first = await follow(await click());
  const second = await follow(await click());
  expect(second.searchParams.get("state")).toBe(first.searchParams.get("state"));
  expect(second.searchParams.has("code")).toBe(true);
});

describe("the test provider produces failures", () => {
  test.each([
    ["forgetClient", 500, "client_unknown"],
    ["refuseClient", 400, "client_refused"],
    ["refuseGrant", 400, "code_refused"],
  ] as const)("%s() once", async (method, status, code) => {
    const logged: object[] = [];
    const logger = {
      warn: (fields: object) => void logged.push(fields),
      error: (fields: object) => void logged.push(fields),
    };
    const { provider, url } = await start({}, { logger });
    provider[method]();
    expect((await provider.signIn(`${url}/account`)).status).toBe(status);
    expect(logged).toContainEqual(expect.objectContaining({ code }));
    expect((await provider.signIn(`${url}/account`)).status).toBe(200);
  });

  test("denyLogin()", async () => {
    const { provider, url } = await start();
    provider.denyLogin();
    expect(await provider.signIn(`${url}/account`)).toMatchObject({
      status: 403,
      body: expect.stringContaining("login_denied"),
    });
    expect((await provider.signIn(`${url}/account`)).status).toBe(200);
  });

  test("slowDown() at one path or at all paths, until clearFaults()", async () => {
    const { provider, url } = await start({}, { httpTimeout: 0.2 });
    provider.slowDown(5000, "/oauth2/token");
    expect((await provider.signIn(`${url}/account`)).status).toBe(503);
    provider.clearFaults();
    expect((await provider.signIn(`${url}/account`)).status).toBe(200);
    provider.slowDown(1);
    expect((await provider.signIn(`${url}/account`)).status).toBe(200);
  });

  test("goDown() and comeUp()", async () => {
    const { provider, url, ask } = await start({}, { clock: fakeClock() });
    const { cookie } = await provider.signIn(`${url}/account`);
    provider.goDown();
    expect((await ask("/account", cookie)).status).toBe(200);
    await provider.comeUp();
    expect((await provider.signIn(`${url}/account`)).status).toBe(200);
  });

  test.each([false, true])("rotateKeys(), with the old kid: %s", async (keepKid) => {
    const { provider, url } = await start();
    await provider.signIn(`${url}/account`);
    const keys = async () =>
      (
        (await (await fetch(`${provider.issuer}/oauth2/jwks`)).json()) as {
          keys: { kid: string; n: string }[];
        }
      ).keys;
    const [before] = await keys();
    await provider.rotateKeys(keepKid);
    const [after] = await keys();
    expect([after?.kid === before?.kid, after?.n === before?.n]).toEqual([keepKid, false]);
    expect((await provider.signIn(`${url}/account`)).status).toBe(200);
  });

  test("refresh tokens rotate, and a second use of one revokes all tokens of its login", async () => {
    const clock = fakeClock();
    const { provider, url, ask } = await start({}, { clock });
    const { cookie } = await provider.signIn(`${url}/account`);
    const first = (await ask("/fresh", cookie)).body;
    clock.advance(301);
    const second = (await ask("/fresh", cookie)).body;
    expect(second["refresh_token"]).not.toBe(first["refresh_token"]);
    const { clientId: client_id, clientSecret: client_secret } = provider.options;
    const form = {
      grant_type: "refresh_token",
      refresh_token: String(first["refresh_token"]),
      client_id,
      client_secret,
    };
    const reuse = await fetch(`${provider.issuer}/oauth2/token`, {
      method: "POST",
      body: new URLSearchParams(form),
    });
    expect([reuse.status, await reuse.json()]).toEqual([400, { error: "invalid_grant" }]);
    clock.advance(301);
    expect((await ask("/fresh", cookie)).status).toBe(401); // The new refresh token is revoked too.
  });

  test("rotateRefreshTokens: false", async () => {
    const clock = fakeClock();
    const { provider, url, ask } = await start({ rotateRefreshTokens: false }, { clock });
    const { cookie } = await provider.signIn(`${url}/account`);
    const first = (await ask("/fresh", cookie)).body;
    clock.advance(301);
    expect((await ask("/fresh", cookie)).body["refresh_token"]).toBe(first["refresh_token"]);
  });

  test("setClock()", async () => {
    const { provider, url } = await start();
    provider.setClock(3600);
    expect((await provider.signIn(`${url}/account`)).status).toBe(400);
    provider.setClock(0);
    expect((await provider.signIn(`${url}/account`)).status).toBe(200);
  });
});
