import { decodeJwt } from "jose";
import { describe, expect, test } from "vitest";
import { diagnose, type PortalAuthOptions, portalAuth } from "../../lib/index.js";
import { isIssuerOfDocument, ProviderIssuer } from "../../lib/provider/provider-issuer.js";
import type { IdTokenChanges, LocalProvider } from "../../lib/testing/provider/local-provider.js";
import { type LoggedIn, logIn } from "../access/signed-in-request.js";
import { Browser } from "../support/browser.js";
import {
  CLIENT_ID,
  CLIENT_SECRET,
  getClientOptions,
  SESSION_SECRET,
  startWorld,
  type WorldOptions,
} from "../support/world.js";

const AMARA = "amara-okafor";

const EVERYTHING: PortalAuthOptions = {
  profile: "openid",
  backchannelLogout: true,
  frontchannelLogout: true,
  thirdPartyLogin: true,
};

async function postLogoutToken({ url, provider }: LoggedIn, changes?: IdTokenChanges): Promise<number> {
  const body = new URLSearchParams({ logout_token: provider.logoutToken({ sub: AMARA }, changes) });
  return (await fetch(`${url}/backchannel-logout`, { method: "POST", body })).status;
}

const readSid = async (world: LoggedIn) => String(decodeJwt((await world.tokens()).id_token ?? "")["sid"]);

async function requestFrontchannelLogout(world: LoggedIn, iss: string): Promise<number> {
  const query = new URLSearchParams({ iss, sid: await readSid(world) });
  return (await new Browser().request(`${world.url}/frontchannel-logout?${query}`)).status;
}

async function startThirdPartyLogin({ url }: LoggedIn, iss: string): Promise<number> {
  return (
    await new Browser().navigate(`${url}/login?${new URLSearchParams({ iss })}`, { site: "cross-site" })
  ).status;
}

describe.each([
  ["the document's issuer ends with a slash and PORTAL_ISSUER does not (Auth0)", "/", ""],
  ["PORTAL_ISSUER ends with a slash and the document's issuer does not", "", "/"],
  ["both end with a slash", "/", "/"],
  ["both have a path and the document's issuer ends with a slash", "/realms/a/", "/realms/a"],
])("if %s,", (_case, issuerSuffix, optionSuffix) => {
  const start = (options: WorldOptions = {}) =>
    logIn({
      ...options,
      provider: { document: "full", issuerSuffix },
      options: EVERYTHING,
      optionsFor: ({ issuer }) => ({ issuer: issuer + optionSuffix }),
    });

  test("users sign in, and tokens are refreshed", async () => {
    const world = await start();
    expect((await world.me()).isAuthenticated).toBe(true);
    world.later(300);
    expect((await world.ask()).status).toBe(200);
    expect(world.refreshes()).toHaveLength(1);
  });

  test("the iss of a logout token must be exactly the document's issuer", async () => {
    const world = await start({ log: [/logout_token_invalid/] });
    const otherSuffix = issuerSuffix.endsWith("/") ? issuerSuffix.slice(0, -1) : `${issuerSuffix}/`;
    expect(await postLogoutToken(world, { claims: { iss: world.provider.issuer + otherSuffix } })).toBe(400);
    expect(await postLogoutToken(world)).toBe(200);
    expect((await world.me()).isAuthenticated).toBe(false);
  });

  test("the front-channel logout accepts the document's issuer", async () => {
    const world = await start();
    expect(await requestFrontchannelLogout(world, world.provider.issuer + issuerSuffix)).toBe(200);
    expect((await world.me()).isAuthenticated).toBe(false);
  });

  test("a login that another site starts accepts the document's issuer", async () => {
    const world = await start();
    expect(await startThirdPartyLogin(world, world.provider.issuer + issuerSuffix)).toBe(302);
  });
});

test.each([
  [
    "the ID token",
    (provider: LocalProvider) => provider.nextIdToken({ claims: { iss: provider.issuer } }),
    "id_token_invalid",
  ],
  ["the callback", undefined, "response_issuer_mismatch"],
])("an issuer without its final slash in %s is rejected", async (_where, changeToken, code) => {
  const { browser, url, provider, log } = await startWorld({
    provider: { document: "full", issuerSuffix: "/" },
    options: { profile: "openid" },
    log: [new RegExp(code)],
  });
  changeToken?.(provider);
  const callback = await browser.loginUntilCallback(`${url}/account`);
  if (!changeToken) callback.searchParams.set("iss", provider.issuer);
  expect((await browser.navigate(callback)).body).toContain(code);
  if (changeToken)
    expect(log.join()).toContain(`[claim iss: received ${provider.issuer}, expected ${provider.issuer}/]`);
});

test("a session is valid whether or not PORTAL_ISSUER ends with a slash", async () => {
  const { app, url, browser, provider } = await startWorld({ options: { profile: "openid" } });
  const options = { clientId: CLIENT_ID, clientSecret: CLIENT_SECRET, secret: SESSION_SECRET };
  const issuers = { "/slash": `${provider.issuer}/`, "/other": `${provider.issuer}/other` };
  for (const [path, issuer] of Object.entries(issuers))
    app.use(
      path,
      portalAuth({ ...options, issuer, redirectUri: `${url}/callback`, routes: { callback: false } }),
      (req, res) => {
        res.json(req.portal.isAuthenticated);
      },
    );
  await browser.visit(`${url}/account`);
  expect((await browser.fetch(`${url}/slash`)).body).toBe("true");
  expect((await browser.fetch(`${url}/other`)).body).toBe("false");
});

test("the log shows both issuers if they do not match", async () => {
  const { browser, url, provider, log } = await startWorld({
    provider: { issuerSuffix: "/realms/b" },
    optionsFor: ({ issuer }) => ({ issuer: `${issuer}/realms/a/` }),
    log: [/issuer_mismatch/],
  });
  expect((await browser.navigate(`${url}/login`)).status).toBe(500);
  const { issuer } = provider;
  expect(log.join()).toContain(
    `the document says ${issuer}/realms/b, PORTAL_ISSUER (option issuer) says ${issuer}/realms/a/`,
  );
});

test("while the provider is unreachable, a front-channel logout needs the iss of the option", async () => {
  const { url, provider } = await startWorld({
    options: { profile: "openid", frontchannelLogout: true },
    log: [/logout_request_invalid/],
  });
  provider.goDown();
  const getStatus = async (iss: string) =>
    (await fetch(`${url}/frontchannel-logout?${new URLSearchParams({ iss, sid: "s" })}`)).status;
  expect(await getStatus(provider.issuer)).toBe(200);
  expect(await getStatus(`${provider.issuer}/`)).toBe(200);
  expect(await getStatus("https://evil.example")).toBe(400);
});

test.each([
  ["https://a.example", "https://a.example/", true],
  ["https://a.example/", "https://a.example", true],
  ["https://a.example/x/", "https://a.example/x", true],
  ["https://a.example//", "https://a.example", false],
  ["https://a.example", "https://A.example", false],
  ["https://a.example", "http://a.example", false],
  ["https://a.example:443", "https://a.example", false],
  ["https://a.example", "https://a.example.evil.example", false],
  ["https://a.example/common/v2.0", "https://a.example/{tenantid}/v2.0", true],
  ["https://a.example/organizations/v2.0/", "https://a.example/{tenantid}/v2.0", true],
  ["https://a.example/common", "https://a.example/{tenantid}/v2.0", false],
  ["https://a.example/x/y/v2.0", "https://a.example/{tenantid}/v2.0", false],
  ["https://a.example//v2.0", "https://a.example/{tenantid}/v2.0", false],
  ["https://b.example/common/v2.0", "https://a.example/{tenantid}/v2.0", false],
])("the option %s names the document's issuer %s: %s", (option, document, isMatch) => {
  expect(isIssuerOfDocument(option, document)).toBe(isMatch);
});

const ALLOWED = "9d1f3c6a-5b7e-4f4c-8a21-0c7d5e6f7a8b";
const OTHER = "11111111-2222-4333-8444-555555555555";

test("ProviderIssuer requires that the iss of a token matches its tid", () => {
  const issuer = new ProviderIssuer("https://a.example/{tenantid}/v2.0", [ALLOWED, OTHER]);
  expect(issuer.findProblem({ iss: `https://a.example/${ALLOWED}/v2.0`, tid: ALLOWED })).toBeUndefined();
  expect(issuer.findProblem({ iss: `https://a.example/${OTHER}/v2.0`, tid: ALLOWED })).toContain(
    "claim iss: received",
  );
});

describe("with a provider that has tenants (Microsoft Entra)", () => {
  const start = (allowedTenants: PortalAuthOptions["allowedTenants"], options: WorldOptions = {}) =>
    startWorld({
      ...options,
      provider: { document: "full", issuerSuffix: "/{tenantid}/v2.0", tenant: ALLOWED },
      options: { ...EVERYTHING, ...(allowedTenants && { allowedTenants }) },
      optionsFor: ({ issuer }) => ({ issuer: `${issuer}/common/v2.0` }),
    });
  const startSignedIn = (options: WorldOptions = {}) =>
    logIn({
      ...options,
      provider: { document: "full", issuerSuffix: "/{tenantid}/v2.0", tenant: ALLOWED },
      options: { ...EVERYTHING, allowedTenants: [ALLOWED] },
      optionsFor: ({ issuer }) => ({ issuer: `${issuer}/organizations/v2.0` }),
    });

  test.each<[string, PortalAuthOptions["allowedTenants"]]>([
    ["is listed", [OTHER, ALLOWED]],
    ["is listed in upper case", [ALLOWED.toUpperCase()]],
    ["is allowed by *", "*"],
  ])("a user whose tenant %s signs in", async (_how, allowed) => {
    const { browser, url, me, provider } = await start(allowed);
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
    expect((await me()).claims).toMatchObject({ tid: ALLOWED, iss: `${provider.issuer}/${ALLOWED}/v2.0` });
  });

  test("a user of another tenant is rejected at the callback, before the code is sent", async () => {
    const { browser, url, me, asked } = await start([OTHER], { log: [/response_issuer_mismatch/] });
    const page = await browser.visit(`${url}/account`);
    expect([page.status, page.body.includes("response_issuer_mismatch")]).toEqual([400, true]);
    expect([(await me()).isAuthenticated, asked("/oauth2/token")]).toEqual([false, []]);
  });

  test.each<[string, (issuer: string) => Record<string, unknown>, string]>([
    [
      "a tenant that is not allowed",
      (i) => ({ tid: OTHER, iss: `${i}/${OTHER}/v2.0` }),
      `claim tid: ${OTHER} is not`,
    ],
    ["tid and iss that differ", (i) => ({ tid: ALLOWED, iss: `${i}/${OTHER}/v2.0` }), "claim iss: received"],
    ["the iss of an allowed tenant, and another tid", () => ({ tid: OTHER }), "claim iss: received"],
    ["no tid", () => ({ tid: undefined, iss: undefined }), "JWT"],
    [
      "the placeholder as its tenant",
      (i) => ({ tid: "{tenantid}", iss: `${i}/{tenantid}/v2.0` }),
      "claim tid: missing",
    ],
    ["a tid that is not a GUID", (i) => ({ tid: "common", iss: `${i}/common/v2.0` }), "claim tid: missing"],
    ["a tid that is a list", (i) => ({ tid: [ALLOWED], iss: `${i}/${ALLOWED}/v2.0` }), "claim tid: missing"],
    [
      "a tid with a path",
      (i) => ({ tid: `x/../${ALLOWED}`, iss: `${i}/x/../${ALLOWED}/v2.0` }),
      "claim tid: missing",
    ],
  ])("an ID token with %s is rejected", async (_name, claims, detail) => {
    const { browser, url, me, provider, log } = await start([ALLOWED], { log: [/id_token_invalid/] });
    provider.nextIdToken({ claims: claims(provider.issuer) });
    const page = await browser.visit(`${url}/account`);
    expect([page.status, page.body.includes("id_token_invalid"), (await me()).isAuthenticated]).toEqual([
      400,
      true,
      false,
    ]);
    expect(log.join()).toContain(`[${detail}`);
  });

  test("with *, a token whose tid and iss differ is rejected", async () => {
    const { browser, url, provider } = await start("*", { log: [/id_token_invalid/] });
    provider.nextIdToken({ claims: { tid: OTHER } });
    expect((await browser.visit(`${url}/account`)).status).toBe(400);
    provider.nextIdToken({ claims: { tid: OTHER, iss: `${provider.issuer}/${OTHER}/v2.0` } });
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
  });

  test("a callback with the iss of a tenant that is not allowed is rejected", async () => {
    const { browser, url, provider } = await start([ALLOWED], { log: [/response_issuer_mismatch/] });
    const callback = await browser.loginUntilCallback(`${url}/account`);
    callback.searchParams.set("iss", `${provider.issuer}/${OTHER}/v2.0`);
    expect((await browser.navigate(callback)).body).toContain("response_issuer_mismatch");
  });

  test("tokens are refreshed, and a refresh with an ID token of another tenant fails", async () => {
    const world = await startSignedIn({ log: [/refresh|id_token_invalid/] });
    world.later(300);
    expect((await world.ask()).status).toBe(200);
    const { provider } = world;
    provider.nextIdToken({ claims: { tid: OTHER, iss: `${provider.issuer}/${OTHER}/v2.0` } });
    world.later(300);
    expect((await world.ask()).status).not.toBe(200);
  });

  test("logouts by the provider end sessions only for allowed tenants", async () => {
    const world = await startSignedIn({ log: [/logout_token_invalid|logout_request_invalid/] });
    const { issuer } = world.provider;
    const otherTenant = { tid: OTHER, iss: `${issuer}/${OTHER}/v2.0` };
    expect(await postLogoutToken(world, { claims: otherTenant })).toBe(400);
    expect(await postLogoutToken(world, { claims: { tid: OTHER } })).toBe(400);
    expect(await requestFrontchannelLogout(world, otherTenant.iss)).toBe(400);
    expect(await requestFrontchannelLogout(world, `${issuer}/{tenantid}/v2.0`)).toBe(400);
    expect((await world.me()).isAuthenticated).toBe(true);
    expect(await requestFrontchannelLogout(world, `${issuer}/${ALLOWED}/v2.0`)).toBe(200);
    expect((await world.me()).isAuthenticated).toBe(false);
    await world.browser.visit(`${world.url}/account`);
    expect(await postLogoutToken(world)).toBe(200);
  });

  test("without the option no login starts, and the log names it", async () => {
    const { browser, url, log } = await start(undefined, { log: [/discovery_invalid/] });
    expect((await browser.navigate(`${url}/login`)).status).toBe(502);
    expect(log.join()).toContain("PORTAL_ALLOWED_TENANTS (option allowedTenants)");
  });

  test("the option is rejected for an issuer without tenants", async () => {
    const { browser, url, log } = await startWorld({
      options: { allowedTenants: [ALLOWED] },
      log: [/discovery_invalid/],
    });
    expect((await browser.navigate(`${url}/login`)).status).toBe(502);
    expect(log.join()).toContain("needs an issuer with {tenantid}");
  });

  test.each<[PortalAuthOptions["allowedTenants"], string, string]>([
    [[ALLOWED], "ok", "users of 1 tenants can sign in"],
    ["*", "warning", "users of every tenant can sign in"],
  ])("the doctor reports the tenants that can sign in with %j", async (allowedTenants, verdict, title) => {
    const { provider, url } = await start(allowedTenants);
    const { checks } = await diagnose(
      {
        ...getClientOptions({ provider, url }),
        issuer: `${provider.issuer}/common/v2.0`,
        allowedTenants,
      },
      { env: {}, skip: ["store", "redirect", "cookies"] },
    );
    expect(checks.find(({ id }) => id === "portal.issuer")).toMatchObject({ verdict, title });
  });
});

test.each([
  ["", "", "PORTAL_ISSUER is exactly the document's issuer"],
  ["/", "", "PORTAL_ISSUER is the document's issuer, except for a slash at the end, which is accepted"],
])(
  "the doctor reports whether the issuers are exactly equal (document %j, option %j)",
  async (issuerSuffix, optionSuffix, title) => {
    const { provider, url } = await startWorld({ provider: { document: "full", issuerSuffix } });
    const { checks } = await diagnose(
      {
        ...getClientOptions({ provider, url }),
        issuer: provider.issuer + optionSuffix,
      },
      { env: {}, skip: ["store", "redirect", "cookies"] },
    );
    expect(checks.find(({ id }) => id === "portal.issuer")).toMatchObject({ verdict: "ok", title });
  },
);

test("the log does not repeat an iss that is not a URL or has over 200 characters", () => {
  const issuer = new ProviderIssuer("https://a.example", undefined);
  for (const iss of [
    `https://a.example/${"x".repeat(300)}`,
    "https://a.example/\n[forged]",
    7,
    ["https://a.example"],
  ])
    expect(issuer.findProblem({ iss })).toBe(
      "claim iss: received something that is not an issuer, expected https://a.example",
    );
});
