import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Express, Request } from "express";
import { decodeJwt } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type PortalAuthOptions,
  portalErrors,
  type RequireAuthOptions,
  requireAuth,
} from "../../lib/index.js";
import type { LocalProviderOptions } from "../../lib/testing/provider/local-provider.js";
import { type LoggedIn, logIn } from "../access/signed-in-request.js";
import { Browser } from "../support/browser.js";
import { launchChromium, noChromium } from "../support/chromium.js";
import { startWorld } from "../support/world.js";

const PAGE = "/guarded?x=1";
const SHOTS = fileURLToPath(new URL("../output/screenshots", import.meta.url));

const guarded =
  (requirements: RequireAuthOptions) =>
  (app: Express): void => {
    app.all(
      "/guarded",
      requireAuth(requirements),
      (req, res) => void res.json({ in: req.portal.claims?.sub }),
    );
    app.get("/stronger-login", (req: Request) => req.portal.login({ returnTo: "/guarded", acr: "mfa" }));
    app.use(portalErrors());
  };

interface StartOptions {
  readonly provider?: Partial<LocalProviderOptions>;
  readonly options?: PortalAuthOptions;
  readonly log?: RegExp[];
}

const start = (
  requirements: RequireAuthOptions,
  { provider, options, ...worldOptions }: StartOptions = {},
): Promise<LoggedIn> =>
  logIn({
    ...worldOptions,
    provider: { document: "full", acrValues: ["pwd", "mfa"], ...provider },
    options: { profile: "openid", ...options },
    after: guarded(requirements),
  });

const fetchPage = ({ url, browser }: LoggedIn, visitor: Browser = browser) => visitor.fetch(url + PAGE);
const visitPage = ({ url, browser }: LoggedIn, visitor: Browser = browser) => visitor.visit(url + PAGE);

/** Returns the parameters of the last authorization request. */
const getLastAuthorizationParameters = ({ asked, provider }: LoggedIn) =>
  new URL(
    asked("/oauth2/authorize").findLast(({ url }) => url.includes("state="))?.url ?? "",
    provider.issuer,
  ).searchParams;

test("requireAuth({ roles }) finds a role in the claims of the provider", async () => {
  const users = [{ sub: "amara-okafor", name: "Amara Okafor", roles: ["editor", "admin"] }];
  const world = await startWorld({ provider: { users }, after: guarded({ roles: "admin" }) });
  await world.browser.visit(`${world.url}/account`);
  expect((await world.me()).claims).toMatchObject({ roles: ["editor", "admin"] });
  expect((await world.browser.visit(world.url + PAGE)).status).toBe(200);
});

describe("without a required right", () => {
  test("a browser gets a page that offers to sign out and not to sign in again", async () => {
    const world = await start({ roles: "admin" }, { log: [/not_permitted/] });
    const page = await visitPage(world);
    expect([page.status, page.headers["cache-control"]]).toEqual([403, "no-store"]);
    expect(page.body).toContain("Access denied");
    expect(page.body).toContain('href="/logout"');
    expect(page.body).not.toContain("/login");
    expect(world.log.at(-1)).toContain("roles: no roles in the claim roles");
  });

  test("a script gets the error code and no login URL", async () => {
    const world = await start({ claims: { department: "sales" } }, { log: [/not_permitted/] });
    const answer = await fetchPage(world);
    expect([answer.status, answer.headers["content-type"], answer.headers["www-authenticate"]]).toEqual([
      403,
      "application/problem+json",
      undefined,
    ]);
    expect(JSON.parse(answer.body)).toMatchObject({ code: "not_permitted", status: 403 });
    expect(JSON.parse(answer.body)).not.toHaveProperty("login");
    expect(answer.body).not.toContain("department"); // only the log names the claim
  });

  test("a missing scope is named in the challenge of RFC 6750", async () => {
    const world = await start({ scope: ["openid", "orders"] }, { log: [/insufficient_scope/] });
    const answer = await fetchPage(world);
    expect([answer.status, answer.headers["www-authenticate"]]).toEqual([
      403,
      'Bearer realm="portal", error="insufficient_scope", scope="openid orders"',
    ]);
  });

  test("a visitor must sign in first", async () => {
    const world = await start({ roles: "admin" });
    expect((await fetchPage(world, new Browser())).status).toBe(401);
    expect((await new Browser().navigate(world.url + PAGE)).status).toBe(302);
  });

  test("a user with all required rights passes", async () => {
    const world = await start(
      { scope: "openid", claims: { sub: ["amara-okafor", "x"] }, roles: "amara@lighthouse.example" },
      { options: { rolesClaim: "email", scope: "openid email", hooks: { onLogin: withEmail } } },
    );
    expect((await fetchPage(world)).body).toBe('{"in":"amara-okafor"}');
  });

  test("a claim function that throws causes an error 500", async () => {
    const throwsError = () => {
      throw new Error("the database is down");
    };
    const world = await start({ claims: { sub: throwsError } }, { log: [/hook_failed/] });
    expect((await fetchPage(world)).status).toBe(500);
    expect(world.log.at(-1)).toContain("the database is down");
  });
});

const withEmail = (context: { claims: Record<string, unknown> }) => {
  context.claims["email"] = "amara@lighthouse.example";
};

describe("with a login that is too weak", () => {
  test("a browser goes to the provider for a stronger login and returns to the same page", async () => {
    const world = await start({ acr: "mfa" });
    expect((await world.me()).claims?.["acr"]).toBe("pwd");
    const page = await visitPage(world);
    expect([page.status, page.url, page.body]).toEqual([200, world.url + PAGE, '{"in":"amara-okafor"}']);
    expect(getLastAuthorizationParameters(world).get("acr_values")).toBe("mfa");
    expect((await world.me()).claims?.["acr"]).toBe("mfa");
    expect((await fetchPage(world)).status).toBe(200);
  });

  test("a script gets 401 with the challenge of RFC 9470 and the required parameters", async () => {
    const world = await start({ acr: ["mfa", "hwk"], maxAge: 300 });
    const answer = await fetchPage(world);
    expect([answer.status, answer.headers["www-authenticate"]]).toEqual([
      401,
      [
        'Bearer realm="portal"',
        'error="insufficient_user_authentication"',
        'error_description="A stronger authentication is required"',
        'acr_values="mfa hwk"',
        'max_age="300"',
      ].join(", "),
    ]);
    expect(JSON.parse(answer.body)).toMatchObject({
      code: "insufficient_user_authentication",
      login: "/login",
      acr_values: "mfa hwk",
      max_age: "300",
    });
    expect(world.log).toEqual([]); // a routine outcome is not logged
  });

  test("a script can build the login URL from the problem", async () => {
    const world = await start({ acr: "mfa", maxAge: 300 });
    const { login, acr_values, max_age } = JSON.parse((await fetchPage(world)).body);
    const query = new URLSearchParams({ returnTo: PAGE, acr_values, max_age });
    const page = await world.browser.visit(`${world.url}${login}?${query}`);
    expect([page.status, page.url]).toEqual([200, world.url + PAGE]);
    expect([
      getLastAuthorizationParameters(world).get("acr_values"),
      getLastAuthorizationParameters(world).get("max_age"),
    ]).toEqual(["mfa", "300"]);
  });

  test("the first login of a visitor requests the required strength", async () => {
    const world = await start({ acr: "mfa", maxAge: 60 });
    const browser = new Browser();
    const page = await visitPage(world, browser);
    expect(page.status).toBe(200);
    expect([
      getLastAuthorizationParameters(world).get("acr_values"),
      getLastAuthorizationParameters(world).get("max_age"),
    ]).toEqual(["mfa", "60"]);
    expect(world.asked("/oauth2/token")).toHaveLength(2); // one for each browser: no login was repeated
  });

  test("the check uses the claims of the ID token, not those that onLogin stores", async () => {
    const onLogin = (context: { claims: { sub: string } }) => {
      context.claims = { sub: context.claims.sub };
    };
    const world = await start({ acr: "pwd", maxAge: 300 }, { options: { hooks: { onLogin } } });
    expect((await world.me()).claims).toEqual({ sub: "amara-okafor" });
    expect((await fetchPage(world)).status).toBe(200);
  });

  test("login({ acr }) requests the acr and verifies the result", async () => {
    const world = await start({ acr: "mfa" });
    expect((await world.browser.visit(`${world.url}/stronger-login`)).body).toBe('{"in":"amara-okafor"}');
  });
});

describe("with a login that is too old", () => {
  test("a browser goes to the provider, where the user signs in again, and returns", async () => {
    const world = await start({ maxAge: 60 });
    world.provider.nextIdToken({ claims: { auth_time: seconds() - 3600 } });
    await signInAgain(world);
    expect((await fetchPage(world)).status).toBe(401);
    const page = await visitPage(world);
    expect([page.status, page.url]).toEqual([200, world.url + PAGE]);
    expect(getLastAuthorizationParameters(world).get("max_age")).toBe("60");
    expect((await fetchPage(world)).status).toBe(200);
  });

  test.each([
    ["a second before the limit", 299, 200],
    ["within the clock tolerance", 325, 200],
    ["after the tolerance and the time for the redirect", 345, 401],
  ])("maxAge is checked against the current time: %s", async (_when, later, status) => {
    const world = await start({ maxAge: 300 });
    world.later(later);
    expect((await fetchPage(world)).status).toBe(status);
  });

  test("maxAge: 0 requires a new login and causes no redirect loop without tolerance", async () => {
    const world = await start({ maxAge: 0 }, { options: { clockTolerance: 0 } });
    world.later(60);
    expect((await fetchPage(world)).status).toBe(401);
    const visitor = new Browser();
    world.later(-60);
    expect((await visitPage(world, visitor)).status).toBe(200);
  });

  test.each([
    [8, 200],
    [25, 401],
  ])(
    "maxAge: 0 without tolerance allows time for the redirect from the provider: %i s",
    async (age, status) => {
      const world = await start({ maxAge: 0 }, { options: { clockTolerance: 0 } });
      world.provider.nextIdToken({ claims: { auth_time: seconds() - age } });
      await signInAgain(world);
      expect((await fetchPage(world)).status).toBe(status);
    },
  );

  test("an old authentication does not pass because the provider dates the ID token back to it", async () => {
    const world = await start({ maxAge: 300 });
    const yesterday = seconds() - 86_400;
    world.provider.nextIdToken({ claims: { iat: yesterday, auth_time: yesterday } });
    await signInAgain(world);
    expect((await world.me()).isAuthenticated).toBe(true);
    expect((await fetchPage(world)).status).toBe(401);
    expect((await visitPage(world)).body).toBe('{"in":"amara-okafor"}'); // after a new login
  });

  test.each([
    ["25 s behind", -25],
    ["25 s ahead", 25],
  ])("causes no redirect loop when the provider's clock is %s", async (_clocks, offset) => {
    const world = await start({ maxAge: 0 }, { options: { clockTolerance: 30 } });
    world.later(120);
    const time = seconds() + offset;
    world.provider.nextIdToken({ claims: { iat: time, auth_time: time } });
    expect((await visitPage(world)).body).toBe('{"in":"amara-okafor"}');
    expect(world.asked("/oauth2/token")).toHaveLength(2);
    world.later(60);
    expect((await fetchPage(world)).status).toBe(401);
  });

  test("ends on a page, without a redirect loop, when the provider's clock is an hour behind", async () => {
    const world = await start({ maxAge: 300 }, { log: [/insufficient_user_authentication/] });
    const claims = { iat: seconds() - 3600, auth_time: seconds() - 3600 };
    world.provider.nextIdToken({ claims });
    await signInAgain(world);
    world.provider.nextIdToken({ claims });
    const page = await visitPage(world);
    expect([page.status, world.asked("/oauth2/token").length]).toEqual([401, 3]);
  });

  test("a login without auth_time counts as too old", async () => {
    const world = await start({ maxAge: 1e9 });
    world.provider.nextIdToken({ claims: { auth_time: undefined } });
    await signInAgain(world);
    expect((await fetchPage(world)).status).toBe(401);
  });
});

const seconds = () => Math.floor(Date.now() / 1000);

/** Signs in again in the same browser via the login route. */
const signInAgain = ({ browser, url }: LoggedIn) => browser.visit(`${url}/login`, { site: "same-origin" });

describe("with a provider that ignores the requested strength", () => {
  const INSUFFICIENT_RESULTS: [
    name: string,
    requirements: RequireAuthOptions,
    claims: Record<string, unknown>,
  ][] = [
    ["it returns the same acr", { acr: "mfa" }, { acr: "pwd" }],
    ["it returns no acr", { acr: "mfa" }, { acr: undefined }],
    ["it returns a similar acr", { acr: "mfa" }, { acr: "mfa2" }],
    ["it returns a list of acr values", { acr: "mfa" }, { acr: ["pwd", "mfa"] }],
    ["it returns all acr values in one string", { acr: "mfa" }, { acr: "pwd mfa" }],
    ["it reports an old login", { maxAge: 60 }, { auth_time: seconds() - 3600 }],
    ["it reports no auth_time", { maxAge: 60 }, { auth_time: undefined }],
  ];

  test.each(INSUFFICIENT_RESULTS)(
    "%s: the login fails without a redirect loop, and the existing session stays",
    async (_case, requirements, claims) => {
      const world = await start(requirements, { log: [/insufficient_user_authentication/] });
      if (requirements.maxAge !== undefined) {
        world.provider.nextIdToken({ claims: { auth_time: seconds() - 3600 } });
        await signInAgain(world);
      }
      world.provider.nextIdToken({ claims });
      const before = world.asked("/oauth2/token").length;
      const page = await visitPage(world); // the browser follows at most 20 redirects
      expect([page.status, page.body.includes("insufficient_user_authentication")]).toEqual([401, true]);
      // The link requests the same strength again.
      const requested = requirements.acr === undefined ? "max_age=60" : "acr_values=mfa";
      expect(page.body).toMatch(new RegExp(`href="/login\\?returnTo=[^"]*${requested}"`));
      expect(world.asked("/oauth2/token").length - before).toBe(1);
      expect((await world.me()).isAuthenticated).toBe(true);
      expect(world.log.at(-1)).toMatch(/insufficient_user_authentication .*claim (acr|auth_time)/);
    },
  );

  test("a visitor gets the same page and no session", async () => {
    const world = await start({ acr: "mfa" }, { log: [/insufficient_user_authentication/] });
    world.provider.nextIdToken({ claims: { acr: "pwd" } });
    const browser = new Browser();
    expect((await visitPage(world, browser)).status).toBe(401);
    expect((await world.me(browser)).isAuthenticated).toBe(false);
  });

  test("acr_values in authorizationParams are requested and not enforced", async () => {
    const world = await start({}, { options: { authorizationParams: { acr_values: "hwk" } } });
    expect(getLastAuthorizationParameters(world).get("acr_values")).toBe("hwk");
    expect((await world.me()).isAuthenticated).toBe(true);
  });

  test("the shorter of two limits applies", async () => {
    const world = await start({ maxAge: 300 }, { options: { authorizationParams: { max_age: 20 } } });
    await visitPage(world, new Browser());
    expect(getLastAuthorizationParameters(world).get("max_age")).toBe("20");
  });
});

test("a provider that reports neither acr nor auth_time causes no redirect loop", async () => {
  const world = await logIn({ after: guarded({ maxAge: 60 }), log: [/insufficient_user_authentication/] });
  expect(decodeJwt((await world.tokens()).id_token ?? "")).not.toHaveProperty("auth_time");
  expect((await visitPage(world)).status).toBe(401);
  expect((await world.me()).isAuthenticated).toBe(true);
});

test.each([
  "max_age=x",
  "max_age=-1",
  "max_age=1e3",
  "max_age=",
  "acr_values=",
  'acr_values=a"b',
  "acr_values=a%0Ab",
  "acr_values=a&acr_values=b%00",
])("an invalid parameter of the login URL is ignored: %s", async (query) => {
  const world = await start({});
  const page = await new Browser().navigate(`${world.url}/login?${query}`);
  const parameters = new URL(page.headers.location ?? "").searchParams;
  expect(page.status).toBe(302);
  expect([parameters.get("max_age"), (parameters.get("acr_values") ?? "a") === "a"]).toEqual([null, true]);
});

test.each<[RequireAuthOptions, RegExp]>([
  [{ maxAge: -1 }, /maxAge/],
  [{ maxAge: Number.NaN }, /maxAge/],
  [{ maxAge: "60" as never }, /maxAge/],
  [{ acr: "" }, /acr/],
  [{ acr: [] }, /acr/],
  [{ acr: ["a b"] }, /acr/],
  [{ acr: ['a"'] }, /acr/],
  [{ acr: [5] as never }, /acr/],
  [{ role: "admin" } as never, /no option role/],
])("%j is rejected at start-up", (options, message) => {
  expect(() => requireAuth(options)).toThrow(message);
});

describe.skipIf(noChromium)(`in a real browser${noChromium && ` (${noChromium})`}`, () => {
  let chromium: Awaited<ReturnType<typeof launchChromium>>;
  beforeAll(async () => {
    chromium = await launchChromium();
  });
  afterAll(() => chromium?.close());

  test("a user signs in again with a stronger method and returns to the same page", async () => {
    const world = await start({ acr: "mfa", maxAge: 300 });
    const page = await (await chromium.newContext()).newPage();
    const signIn = () => page.getByRole("button", { name: /Amara Okafor/ }).click();
    await page.goto(`${world.url}/account`);
    await signIn();
    await page.waitForURL(`${world.url}/account`);
    await page.goto(world.url + PAGE);
    await page.waitForURL(/\/portal\/login/); // the provider shows its login page despite its own session
    await signIn();
    await page.waitForURL(world.url + PAGE);
    expect(await page.textContent("body")).toContain("amara-okafor");
    await page.reload();
    expect(page.url()).toBe(world.url + PAGE);
    await page.context().close();
  });

  test("a provider that ignores the requested strength leads to one page with links", async () => {
    const world = await start({ acr: "mfa" }, { log: [/insufficient_user_authentication/] });
    const page = await (await chromium.newContext()).newPage();
    world.provider.nextIdToken({ claims: { acr: "pwd" } });
    await page.goto(world.url + PAGE);
    await page.getByRole("button", { name: /Amara Okafor/ }).click();
    await page.getByText("This page requires a stronger or more recent sign-in.").waitFor();
    await mkdir(SHOTS, { recursive: true });
    await page.screenshot({ path: join(SHOTS, "11-too-weak.png") });
    expect(await page.getByRole("link").allTextContents()).toEqual(["Sign in again", "Go to the start page"]);
    await page.context().close();
  });

  test("a user without a required right sees a page and can switch accounts", async () => {
    const world = await start({ roles: "admin" }, { log: [/not_permitted/] });
    const page = await (await chromium.newContext()).newPage();
    await page.goto(world.url + PAGE);
    await page.getByRole("button", { name: /Amara Okafor/ }).click();
    await page.getByRole("heading", { name: "Access denied" }).waitFor();
    await page.screenshot({ path: join(SHOTS, "12-not-permitted.png") });
    await page.getByRole("link", { name: "Sign out" }).click();
    await page.waitForURL(`${world.url}/**`);
    await page.goto(`${world.url}/account`);
    await page.waitForURL(/\/portal\/login/);
    await page.context().close();
  });
});
