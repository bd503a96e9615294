import type { Express } from "express";
import { describe, expect, test } from "vitest";
import {
  type LoginOptions,
  PortalAuthError,
  type PortalAuthOptions,
  type RequireAuthOptions,
  requireAuth,
} from "../../lib/index.js";
import type { LocalProviderOptions } from "../../lib/testing/provider/local-provider.js";
import { logIn } from "../access/signed-in-request.js";
import { startWorld } from "../support/world.js";

const PAGE = "/guarded?x=1";
const seconds = () => Math.floor(Date.now() / 1000);

interface StartOptions {
  readonly provider?: Partial<LocalProviderOptions>;
  readonly options?: PortalAuthOptions;
  readonly log?: RegExp[];
  readonly login?: LoginOptions;
}

const start = (
  requirements: RequireAuthOptions,
  { provider, options, login = {}, ...worldOptions }: StartOptions = {},
) =>
  logIn({
    ...worldOptions,
    provider: { document: "full", acrValues: ["pwd", "mfa"], ...provider },
    options: { profile: "openid", ...options },
    after: (app: Express) => {
      app.all("/guarded", requireAuth(requirements), (_req, res) => void res.send("in"));
      app.get("/pay", (req) => req.portal.login(login));
    },
  });

test.each([
  ["in the future", 86_400],
  ["in milliseconds", seconds() * 1000],
])("an auth_time %s does not pass as a recent login", async (_case, offsetSeconds) => {
  const { browser, url, provider } = await start({ maxAge: 60 });
  provider.nextIdToken({ claims: { auth_time: seconds() + offsetSeconds } });
  await browser.visit(`${url}/login`, { site: "same-origin" });
  expect((await browser.fetch(url + PAGE)).status).toBe(401);
});

test("one login renews a session that is too old, although the provider's clock differs", async () => {
  const { browser, url, later, asked } = await start({ maxAge: 300 });
  later(3600);
  expect((await browser.visit(url + PAGE)).body).toBe("in");
  expect(asked("/oauth2/token")).toHaveLength(2);
  later(300);
  expect((await browser.fetch(url + PAGE)).status).toBe(200);
  later(60);
  expect((await browser.fetch(url + PAGE)).status).toBe(401);
});

test("maxAge: 0 without tolerance allows time for the redirect", async () => {
  const { browser, url, provider, later, asked } = await start(
    { maxAge: 0 },
    { options: { clockTolerance: 0 } },
  );
  later(60);
  provider.nextIdToken({ claims: { auth_time: seconds() - 8 } });
  expect((await browser.visit(url + PAGE)).body).toBe("in");
  expect(asked("/oauth2/token")).toHaveLength(2);
});

test("a rejected promise of a claim function does not end the process", async () => {
  const rejecting = () => Promise.reject(new Error("too late")) as never;
  const { browser, url } = await start({ claims: { sub: rejecting } }, { log: [/not_permitted/] });
  expect((await browser.fetch(url + PAGE)).status).toBe(403);
  await new Promise((resolve) => setImmediate(resolve));
});

test.each(["login_required", "token_expired", "insufficient_user_authentication"] as const)(
  "a claim function that throws %s causes no redirect loop",
  async (code) => {
    const throwing = () => {
      throw new PortalAuthError(code);
    };
    const { browser, url } = await start({ claims: { sub: throwing } });
    const page = await browser.visit(url + PAGE);
    expect([page.status, page.url]).toEqual([401, url + PAGE]);
  },
);

test.each(["acr", "maxAge", "scope", "claims", "roles"])(
  "%s without a value is rejected, because it would let every user pass",
  (name) => {
    expect(() => requireAuth({ [name]: undefined } as never)).toThrow(TypeError);
  },
);

test.each(["acr", "maxAge"])("login() rejects an option without a value: %s", async (name) => {
  const world = await startWorld({
    after: (app) => void app.get("/pay", (req) => req.portal.login({ [name]: undefined })),
    log: [/authorization_params_invalid .*is undefined/],
  });
  const { status, headers } = await world.browser.navigate(`${world.url}/pay`);
  expect([status, headers.location]).toEqual([500, undefined]);
});

test.each([
  ["roles", "admin,editor", "one name or a list"],
  ["scope", "orders:read,orders:write", "separated by spaces"],
  ["roles", [], "not empty"],
  ["scope", " ", "not empty"],
  ["acr", [], "not empty"],
  ["maxAge", -1, "0 or more"],
])(
  "a requirement that no user can meet is rejected at start-up with the reason: %s %j",
  (name, value, reason) => {
    expect(() => requireAuth({ [name]: value } as never)).toThrow(reason);
  },
);

test("a claim requirement that no user can meet is rejected at start-up", () => {
  const claims = { tier: undefined, sub: "amara-okafor" } as never;
  expect(() => requireAuth({ claims })).toThrow("claims.tier must be a value");
});

describe("if the provider does not report the granted scope", () => {
  test("the requested scope of this login counts as granted", async () => {
    const world = await startWorld({
      options: { scope: "openid email", authorizationParams: { scope: "openid" } },
      after: (app) =>
        void app.get("/guarded", requireAuth({ scope: "email" }), (_req, res) => void res.send("in")),
      log: [/insufficient_scope/],
    });
    world.provider.nextTokenResponse({ scope: undefined });
    expect((await world.browser.visit(world.url + PAGE)).status).toBe(403);
  });
});

test("a hook that omits the scope does not grant the requested scope", async () => {
  const onTokens = () => ({ access_token: "one of our own", token_type: "bearer" });
  const world = await startWorld({
    options: { scope: "openid email", hooks: { onTokens } },
    after: (app) =>
      void app.get("/guarded", requireAuth({ scope: "email" }), (_req, res) => void res.send("in")),
    log: [/insufficient_scope/],
  });
  world.provider.nextTokenResponse({ scope: "openid" });
  expect((await world.browser.visit(world.url + PAGE)).status).toBe(403);
});

test("long parameters of a login URL do not displace the cookie of another login", async () => {
  const { browser, url } = await start({});
  const callback = await browser.loginUntilCallback(`${url}/login?returnTo=/account`, {
    site: "same-origin",
  });
  const link = `${url}/login?acr_values=${"a".repeat(5000)}`;
  const { headers } = await browser.navigate(link, { site: "same-origin" });
  for (const cookie of headers["set-cookie"] ?? []) expect(cookie.length).toBeLessThan(4096);
  expect((await browser.visit(callback)).status).toBe(200);
});

test("a cancelled login is repeated with the same requirements", async () => {
  const { browser, url } = await start(
    {},
    { log: [/login_denied/], login: { acr: "mfa", maxAge: 60, returnTo: "/account" } },
  );
  browser.user = { deny: "yes" };
  const page = await browser.visit(`${url}/pay`);
  const [, repeatUrl = ""] = /href="(\/login[^"]*)"/.exec(page.body) ?? [];
  const { headers } = await browser.navigate(url + repeatUrl.replaceAll("&amp;", "&"));
  const parameters = new URL(headers.location ?? "").searchParams;
  expect([parameters.get("acr_values"), parameters.get("max_age")]).toEqual(["mfa", "60"]);
});

test("the requirements fit into the login cookie together with the longest return URL", async () => {
  const acr = "a".repeat(512);
  expect(() => requireAuth({ acr: ["a", acr] })).toThrow("512 characters at most");
  const returnTo = `/account?${"a".repeat(1900)}`;
  const { browser, url } = await start({}, { login: { acr, maxAge: 2 ** 53 - 1, returnTo } });
  const { headers } = await browser.navigate(`${url}/pay`);
  expect(headers["set-cookie"]?.map(({ length }) => length < 4096)).toEqual([true, true]);
});
