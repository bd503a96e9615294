import { decodeJwt } from "jose";
import { describe, expect, test } from "vitest";
import { diagnose, type PortalAuthOptions, portalAuth } from "../../lib/index.js";
import { isIssuerOfDocument, ProviderIssuer } from "../../lib/provider/provider-issuer.js";
import type { IdTokenChanges, LocalProvider } from "../../lib/testing/provider/local-provider.js";
import { type LoggedIn, logIn } from "../access/signed-in-request.js";
import { Browser } from "../support/browser.js";
import { CLIENT_ID, CLIENT_SECRET, SESSION_SECRET, startWorld, type WorldOptions } from "../support/world.js";

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

const sidOf = async (world: LoggedIn) => String(decodeJwt((await world.tokens()).id_token ?? "")["sid"]);

async function frameStatus(world: LoggedIn, iss: string): Promise<number> {
  const query = new URLSearchParams({ iss, sid: await sidOf(world) });
  return (await new Browser().request(`${world.url}/frontchannel-logout?${query}`)).status;
}

async function initiated({ url }: LoggedIn, iss: string): Promise<number> {
  return (
    await new Browser().navigate(`${url}/login?${new URLSearchParams({ iss })}`, { site: "cross-site" })
  ).status;
}

describe.each([
  ["the document has a slash at its end, and PORTAL_ISSUER has none (Auth0)", "/", ""],
  ["PORTAL_ISSUER has a slash at its end, and the document has none", "", "/"],
  ["both have it", "/", "/"],
  ["both have a path, and the document has a slash", "/realms/a/", "/realms/a"],
])("if %s,", (_case, issuerSuffix, written) => {
  const start = (given: WorldOptions = {}) =>
    logIn({
      ...given,
      portal: { document: "full", issuerSuffix },
      options: EVERYTHING,
      optionsFor: ({ issuer }) => ({ issuer: issuer + written }),
    });

  test("users sign in, and tokens are refreshed", async () => {
    const world = await start();
    expect((await world.me()).isAuthenticated).toBe(true);
    world.later(300);
    expect((await world.ask()).status).toBe(200);
    expect(world.refreshes()).toHaveLength(1);
  });

  test("logout tokens must have the document's spelling", async () => {
    const world = await start({ log: [/logout_token_invalid/] });
    const other = issuerSuffix.endsWith("/") ? issuerSuffix.slice(0, -1) : `${issuerSuffix}/`;
    expect(await postLogoutToken(world, { claims: { iss: world.provider.issuer + other } })).toBe(400);
    expect(await postLogoutToken(world)).toBe(200);
    expect((await world.me()).isAuthenticated).toBe(false);
  });

  test("the front-channel logout has the document's spelling", async () => {
    const world = await start();
    expect(await frameStatus(world, world.provider.issuer + issuerSuffix)).toBe(200);
    expect((await world.me()).isAuthenticated).toBe(false);
  });

  test("a login that another site begins has the document's spelling", async () => {
    const world = await start();
    expect(await initiated(world, world.provider.issuer + issuerSuffix)).toBe(302);
  });
});

test.each([
  [
    "the ID token",
    (provider: LocalProvider) => provider.nextIdToken({ claims: { iss: provider.issuer } }),
    "id_token_invalid",
  ],
  ["the callback", undefined, "response_issuer_mismatch"],
])("a slash that is missing in %s is refused", async (_where, lie, code) => {
  const { browser, url, provider, log } = await startWorld({
    portal: { document: "full", issuerSuffix: "/" },
    options: { profile: "openid" },
    log: [new RegExp(code)],
  });
  lie?.(provider);
  const callback = await browser.loginUntilCallback(`${url}/account`);
  if (!lie) callback.searchParams.set("iss", provider.issuer);
  expect((await browser.navigate(callback)).body).toContain(code);
  if (lie)
    expect(log.join()).toContain(`[claim iss: received ${provider.issuer}, expected ${provider.issuer}/]`);
});

test("a session counts whether or not PORTAL_ISSUER has a slash at its end", async () => {
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

test("a mismatch shows what was written and what the document says", async () => {
  const { browser, url, provider, log } = await startWorld({
    portal: { issuerSuffix: "/realms/b" },
    optionsFor: ({ issuer }) => ({ issuer: `${issuer}/realms/a/` }),
    log: [/issuer_mismatch/],
  });
  expect((await browser.navigate(`${url}/login`)).status).toBe(500);
  const { issuer } = provider;
  expect(log.join()).toContain(
    `the document says ${issuer}/realms/b, PORTAL_ISSUER (option issuer) says ${issuer}/realms/a/`,
  );
});

test("while the provider is unreachable, the option decides whom a front-channel logout is from", async () => {
  const { url, provider } = await startWorld({
    options: { profile: "openid", frontchannelLogout: true },
    log: [/logout_request_invalid/],
  });
  provider.goDown();
  const statusFor = async (iss: string) =>
    (await fetch(`${url}/frontchannel-logout?${new URLSearchParams({ iss, sid: "s" })}`)).status;
  expect(await statusFor(provider.issuer)).toBe(200);
  expect(await statusFor(`${provider.issuer}/`)).toBe(200);
  expect(await statusFor("https://evil.example")).toBe(400);
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
])("the option %s names the document's issuer %s: %s", (option, document, isIt) => {
  expect(isIssuerOfDocument(option, document)).toBe(isIt);
});

const OURS = "9d1f3c6a-5b7e-4f4c-8a21-0c7d5e6f7a8b";
const THEIRS = "11111111-2222-4333-8444-555555555555";

test("the iss of a token must be the one of its own tid, without the check of openid-client", () => {
  const issuer = new ProviderIssuer("https://a.example/{tenantid}/v2.0", [OURS, THEIRS]);
  expect(issuer.findProblem({ iss: `https://a.example/${OURS}/v2.0`, tid: OURS })).toBeUndefined();
  expect(issuer.findProblem({ iss: `https://a.example/${THEIRS}/v2.0`, tid: OURS })).toContain(
    "claim iss: received",
  );
});

describe("at a provider with tenants, as Microsoft Entra,", () => {
  const start = (allowedTenants: PortalAuthOptions["allowedTenants"], given: WorldOptions = {}) =>
    startWorld({
      ...given,
      portal: { document: "full", issuerSuffix: "/{tenantid}/v2.0", tenant: OURS },
      options: { ...EVERYTHING, ...(allowedTenants && { allowedTenants }) },
      optionsFor: ({ issuer }) => ({ issuer: `${issuer}/common/v2.0` }),
    });
  const loggedIn = (given: WorldOptions = {}) =>
    logIn({
      ...given,
      portal: { document: "full", issuerSuffix: "/{tenantid}/v2.0", tenant: OURS },
      options: { ...EVERYTHING, allowedTenants: [OURS] },
      optionsFor: ({ issuer }) => ({ issuer: `${issuer}/organizations/v2.0` }),
    });

  test.each<[string, PortalAuthOptions["allowedTenants"]]>([
    ["is listed", [THEIRS, OURS]],
    ["is listed in capitals", [OURS.toUpperCase()]],
    ["is one of all", "*"],
  ])("a user whose tenant %s signs in", async (_how, allowed) => {
    const { browser, url, me, provider } = await start(allowed);
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
    expect((await me()).claims).toMatchObject({ tid: OURS, iss: `${provider.issuer}/${OURS}/v2.0` });
  });

  test("a user of another tenant is refused at the callback, before the code is sent", async () => {
    const { browser, url, me, asked } = await start([THEIRS], { log: [/response_issuer_mismatch/] });
    const page = await browser.visit(`${url}/account`);
    expect([page.status, page.body.includes("response_issuer_mismatch")]).toEqual([400, true]);
    expect([(await me()).isAuthenticated, asked("/oauth2/token")]).toEqual([false, []]);
  });

  test.each<[string, (issuer: string) => Record<string, unknown>, string]>([
    [
      "a tenant that is not allowed",
      (i) => ({ tid: THEIRS, iss: `${i}/${THEIRS}/v2.0` }),
      `claim tid: ${THEIRS} is not`,
    ],
    ["tid and iss that differ", (i) => ({ tid: OURS, iss: `${i}/${THEIRS}/v2.0` }), "claim iss: received"],
    ["an iss that fits an allowed tenant, and another tid", () => ({ tid: THEIRS }), "claim iss: received"],
    ["no tid", () => ({ tid: undefined, iss: undefined }), "JWT"],
    [
      "the placeholder as its tenant",
      (i) => ({ tid: "{tenantid}", iss: `${i}/{tenantid}/v2.0` }),
      "claim tid: missing",
    ],
    ["a tid that is no id", (i) => ({ tid: "common", iss: `${i}/common/v2.0` }), "claim tid: missing"],
    ["a tid that is a list", (i) => ({ tid: [OURS], iss: `${i}/${OURS}/v2.0` }), "claim tid: missing"],
    [
      "a tid with a path",
      (i) => ({ tid: `x/../${OURS}`, iss: `${i}/x/../${OURS}/v2.0` }),
      "claim tid: missing",
    ],
  ])("an ID token with %s is refused", async (_what, claims, detail) => {
    const { browser, url, me, provider, log } = await start([OURS], { log: [/id_token_invalid/] });
    provider.nextIdToken({ claims: claims(provider.issuer) });
    const page = await browser.visit(`${url}/account`);
    expect([page.status, page.body.includes("id_token_invalid"), (await me()).isAuthenticated]).toEqual([
      400,
      true,
      false,
    ]);
    expect(log.join()).toContain(`[${detail}`);
  });

  test("with * a token whose tid and iss differ is refused as well", async () => {
    const { browser, url, provider } = await start("*", { log: [/id_token_invalid/] });
    provider.nextIdToken({ claims: { tid: THEIRS } });
    expect((await browser.visit(`${url}/account`)).status).toBe(400);
    provider.nextIdToken({ claims: { tid: THEIRS, iss: `${provider.issuer}/${THEIRS}/v2.0` } });
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
  });

  test("a callback that names a tenant that is not allowed is refused", async () => {
    const { browser, url, provider } = await start([OURS], { log: [/response_issuer_mismatch/] });
    const callback = await browser.loginUntilCallback(`${url}/account`);
    callback.searchParams.set("iss", `${provider.issuer}/${THEIRS}/v2.0`);
    expect((await browser.navigate(callback)).body).toContain("response_issuer_mismatch");
  });

  test("tokens are refreshed, and a refresh that names another tenant is not taken", async () => {
    const world = await loggedIn({ log: [/refresh|id_token_invalid/] });
    world.later(300);
    expect((await world.ask()).status).toBe(200);
    const { provider } = world;
    provider.nextIdToken({ claims: { tid: THEIRS, iss: `${provider.issuer}/${THEIRS}/v2.0` } });
    world.later(300);
    expect((await world.ask()).status).not.toBe(200);
  });

  test("logout tokens and frames of allowed tenants end sessions, and others do not", async () => {
    const world = await loggedIn({ log: [/logout_token_invalid|logout_request_invalid/] });
    const { issuer } = world.provider;
    const theirs = { tid: THEIRS, iss: `${issuer}/${THEIRS}/v2.0` };
    expect(await postLogoutToken(world, { claims: theirs })).toBe(400);
    expect(await postLogoutToken(world, { claims: { tid: THEIRS } })).toBe(400);
    expect(await frameStatus(world, theirs.iss)).toBe(400);
    expect(await frameStatus(world, `${issuer}/{tenantid}/v2.0`)).toBe(400);
    expect((await world.me()).isAuthenticated).toBe(true);
    expect(await frameStatus(world, `${issuer}/${OURS}/v2.0`)).toBe(200);
    expect((await world.me()).isAuthenticated).toBe(false);
    await world.browser.visit(`${world.url}/account`);
    expect(await postLogoutToken(world)).toBe(200);
  });

  test("without a list no login begins, and the log says which option is missing", async () => {
    const { browser, url, log } = await start(undefined, { log: [/discovery_invalid/] });
    expect((await browser.navigate(`${url}/login`)).status).toBe(502);
    expect(log.join()).toContain("PORTAL_ALLOWED_TENANTS (option allowedTenants)");
  });

  test("a list for an issuer without tenants is refused as well", async () => {
    const { browser, url, log } = await startWorld({
      options: { allowedTenants: [OURS] },
      log: [/discovery_invalid/],
    });
    expect((await browser.navigate(`${url}/login`)).status).toBe(502);
    expect(log.join()).toContain("needs an issuer with {tenantid}");
  });

  test.each<[PortalAuthOptions["allowedTenants"], string, string]>([
    [[OURS], "ok", "users of 1 tenants can sign in"],
    ["*", "warning", "users of every tenant can sign in"],
  ])("the doctor says who can sign in with %j", async (allowedTenants, verdict, title) => {
    const { provider, url } = await start(allowedTenants);
    const { checks } = await diagnose(
      {
        issuer: `${provider.issuer}/common/v2.0`,
        allowedTenants,
        clientId: CLIENT_ID,
        clientSecret: CLIENT_SECRET,
        redirectUri: `${url}/callback`,
        secret: SESSION_SECRET,
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
  "the doctor does not call issuers equal that differ (document %j, option %j)",
  async (issuerSuffix, written, title) => {
    const { provider, url } = await startWorld({ portal: { document: "full", issuerSuffix } });
    const { checks } = await diagnose(
      {
        issuer: provider.issuer + written,
        clientId: CLIENT_ID,
        clientSecret: CLIENT_SECRET,
        redirectUri: `${url}/callback`,
        secret: SESSION_SECRET,
      },
      { env: {}, skip: ["store", "redirect", "cookies"] },
    );
    expect(checks.find(({ id }) => id === "portal.issuer")).toMatchObject({ verdict: "ok", title });
  },
);

test("an iss that is longer than an address, or holds other characters, is not repeated", () => {
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
