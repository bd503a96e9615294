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

interface Given {
  readonly portal?: Partial<LocalProviderOptions>;
  readonly options?: PortalAuthOptions;
  readonly log?: RegExp[];
  readonly login?: LoginOptions;
}

const start = (demands: RequireAuthOptions, { portal, options, login = {}, ...given }: Given = {}) =>
  logIn({
    ...given,
    portal: { document: "full", acrValues: ["pwd", "mfa"], ...portal },
    options: { profile: "openid", ...options },
    after: (app: Express) => {
      app.all("/guarded", requireAuth(demands), (_req, res) => void res.send("in"));
      app.get("/pay", (req) => req.portal.login(login));
    },
  });

test.each([
  ["of tomorrow", 86_400],
  ["in milliseconds", seconds() * 1000],
])("an auth_time %s makes nobody young", async (_what, ahead) => {
  const { browser, url, provider } = await start({ maxAge: 60 });
  provider.nextIdToken({ claims: { auth_time: seconds() + ahead } });
  await browser.visit(`${url}/login`, { site: "same-origin" });
  expect((await browser.fetch(url + PAGE)).status).toBe(401);
});

test("a session that grew old by the app's clock is renewed by one trip, though the portal goes by another clock", async () => {
  const { browser, url, later, asked } = await start({ maxAge: 300 });
  later(3600);
  expect((await browser.visit(url + PAGE)).body).toBe("in");
  expect(asked("/oauth2/token")).toHaveLength(2);
  later(300);
  expect((await browser.fetch(url + PAGE)).status).toBe(200);
  later(60);
  expect((await browser.fetch(url + PAGE)).status).toBe(401);
});

test("maxAge 0 and no tolerance leave time for the way back", async () => {
  const { browser, url, provider, later, asked } = await start(
    { maxAge: 0 },
    { options: { clockTolerance: 0 } },
  );
  later(60);
  provider.nextIdToken({ claims: { auth_time: seconds() - 8 } });
  expect((await browser.visit(url + PAGE)).body).toBe("in");
  expect(asked("/oauth2/token")).toHaveLength(2);
});

test("a promise of a claim's function that is rejected ends nothing", async () => {
  const rejecting = () => Promise.reject(new Error("too late")) as never;
  const { browser, url } = await start({ claims: { sub: rejecting } }, { log: [/not_permitted/] });
  expect((await browser.fetch(url + PAGE)).status).toBe(403);
  await new Promise((resolve) => setImmediate(resolve));
});

test.each(["login_required", "token_expired", "insufficient_user_authentication"] as const)(
  "a claim's function that throws %s sends nobody round in circles",
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
  "%s without a value is a slip, and no guard that lets all pass",
  (name) => {
    expect(() => requireAuth({ [name]: undefined } as never)).toThrow(TypeError);
  },
);

test.each(["acr", "maxAge"])("nor a login() that asks for nothing: %s", async (name) => {
  const world = await startWorld({
    after: (app) => void app.get("/pay", (req) => req.portal.login({ [name]: undefined })),
    log: [/authorization_params_invalid .*is undefined/],
  });
  const { status, headers } = await world.browser.navigate(`${world.url}/pay`);
  expect([status, headers.location]).toEqual([500, undefined]);
});

test.each([
  ["roles", "admin,editor", "a list of several"],
  ["scope", "orders:read,orders:write", "separated by spaces"],
  ["roles", [], "not empty"],
  ["scope", " ", "not empty"],
  ["acr", [], "not empty"],
  ["maxAge", -1, "0 or more"],
])(
  "a demand that nobody could meet is refused when the app starts, with the reason: %s %j",
  (name, value, reason) => {
    expect(() => requireAuth({ [name]: value } as never)).toThrow(reason);
  },
);

test("nor a claim", () => {
  const claims = { tier: undefined, sub: "amara-okafor" } as never;
  expect(() => requireAuth({ claims })).toThrow("claims.tier must be a value");
});

describe("where the portal does not say what it has granted", () => {
  test("that is what this login has asked for", async () => {
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

test("a hook that leaves the scope out has not granted all that was asked for", async () => {
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

test("a long wish in the address of a login costs no other login its cookie", async () => {
  const { browser, url } = await start({});
  const callback = await browser.loginUntilCallback(`${url}/login?returnTo=/account`, {
    site: "same-origin",
  });
  const link = `${url}/login?acr_values=${"a".repeat(5000)}`;
  const { headers } = await browser.navigate(link, { site: "same-origin" });
  for (const cookie of headers["set-cookie"] ?? []) expect(cookie.length).toBeLessThan(4096);
  expect((await browser.visit(callback)).status).toBe(200);
});

test("a login that a person refused is begun again as it was demanded", async () => {
  const { browser, url } = await start(
    {},
    { log: [/login_denied/], login: { acr: "mfa", maxAge: 60, returnTo: "/account" } },
  );
  browser.person = { deny: "yes" };
  const page = await browser.visit(`${url}/pay`);
  const [, again = ""] = /href="(\/login[^"]*)"/.exec(page.body) ?? [];
  const { headers } = await browser.navigate(url + again.replaceAll("&amp;", "&"));
  const asked = new URL(headers.location ?? "").searchParams;
  expect([asked.get("acr_values"), asked.get("max_age")]).toEqual(["mfa", "60"]);
});

test("what is demanded fits into the cookie of its login, beside the longest wish", async () => {
  const acr = "a".repeat(512);
  expect(() => requireAuth({ acr: ["a", acr] })).toThrow("512 characters at most");
  const returnTo = `/account?${"a".repeat(1900)}`;
  const { browser, url } = await start({}, { login: { acr, maxAge: 2 ** 53 - 1, returnTo } });
  const { headers } = await browser.navigate(`${url}/pay`);
  expect(headers["set-cookie"]?.map(({ length }) => length < 4096)).toEqual([true, true]);
});
