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
  (demands: RequireAuthOptions) =>
  (app: Express): void => {
    app.all("/guarded", requireAuth(demands), (req, res) => void res.json({ in: req.portal.claims?.sub }));
    app.get("/again", (req: Request) => req.portal.login({ returnTo: "/guarded", acr: "mfa" }));
    app.use(portalErrors());
  };

interface Given {
  readonly portal?: Partial<LocalProviderOptions>;
  readonly options?: PortalAuthOptions;
  readonly log?: RegExp[];
}

const start = (demands: RequireAuthOptions, { portal, options, ...given }: Given = {}): Promise<LoggedIn> =>
  logIn({
    ...given,
    portal: { document: "full", acrValues: ["pwd", "mfa"], ...portal },
    options: { profile: "openid", ...options },
    after: guarded(demands),
  });

const askFor = ({ url, browser }: LoggedIn, who: Browser = browser) => who.fetch(url + PAGE);
const open = ({ url, browser }: LoggedIn, who: Browser = browser) => who.visit(url + PAGE);

/** What the portal was asked last. */
const askedLast = ({ asked, provider }: LoggedIn) =>
  new URL(
    asked("/oauth2/authorize").findLast(({ url }) => url.includes("state="))?.url ?? "",
    provider.issuer,
  ).searchParams;

test("a role that the portal tells is found by requireAuth({ roles })", async () => {
  const people = [{ sub: "amara-okafor", name: "Amara Okafor", roles: ["editor", "admin"] }];
  const world = await startWorld({ portal: { users: people }, after: guarded({ roles: "admin" }) });
  await world.browser.visit(`${world.url}/account`);
  expect((await world.me()).claims).toMatchObject({ roles: ["editor", "admin"] });
  expect((await world.browser.visit(world.url + PAGE)).status).toBe(200);
});

describe("a right that is missing", () => {
  test("a person sees a page that offers the way out, and no way to sign in again", async () => {
    const world = await start({ roles: "admin" }, { log: [/not_permitted/] });
    const page = await open(world);
    expect([page.status, page.headers["cache-control"]]).toEqual([403, "no-store"]);
    expect(page.body).toContain("Access denied");
    expect(page.body).toContain('href="/logout"');
    expect(page.body).not.toContain("/login");
    expect(world.log.at(-1)).toContain("roles: none in the claim roles");
  });

  test("a script is told by which code, and is offered no login", async () => {
    const world = await start({ claims: { department: "sales" } }, { log: [/not_permitted/] });
    const answer = await askFor(world);
    expect([answer.status, answer.headers["content-type"], answer.headers["www-authenticate"]]).toEqual([
      403,
      "application/problem+json",
      undefined,
    ]);
    expect(JSON.parse(answer.body)).toMatchObject({ code: "not_permitted", status: 403 });
    expect(JSON.parse(answer.body)).not.toHaveProperty("login");
    expect(answer.body).not.toContain("department"); // which is the log's affair
  });

  test("a scope that is missing is told by the challenge of RFC 6750", async () => {
    const world = await start({ scope: ["openid", "orders"] }, { log: [/insufficient_scope/] });
    const answer = await askFor(world);
    expect([answer.status, answer.headers["www-authenticate"]]).toEqual([
      403,
      'Bearer realm="portal", error="insufficient_scope", scope="openid orders"',
    ]);
  });

  test("a visitor is sent to the login first", async () => {
    const world = await start({ roles: "admin" });
    expect((await askFor(world, new Browser())).status).toBe(401);
    expect((await new Browser().navigate(world.url + PAGE)).status).toBe(302);
  });

  test("who has all of them passes", async () => {
    const world = await start(
      { scope: "openid", claims: { sub: ["amara-okafor", "x"] }, roles: "amara@lighthouse.example" },
      { options: { rolesClaim: "email", scope: "openid email", hooks: { onLogin: withEmail } } },
    );
    expect((await askFor(world)).body).toBe('{"in":"amara-okafor"}');
  });

  test("a demand whose function fails is a failure of the site", async () => {
    const fails = () => {
      throw new Error("the database is away");
    };
    const world = await start({ claims: { sub: fails } }, { log: [/hook_failed/] });
    expect((await askFor(world)).status).toBe(500);
    expect(world.log.at(-1)).toContain("the database is away");
  });
});

const withEmail = (context: { claims: Record<string, unknown> }) => {
  context.claims["email"] = "amara@lighthouse.example";
};

describe("a login that is too weak", () => {
  test("a browser is sent to the portal for a stronger one, and comes back to where it was", async () => {
    const world = await start({ acr: "mfa" });
    expect((await world.me()).claims?.["acr"]).toBe("pwd");
    const page = await open(world);
    expect([page.status, page.url, page.body]).toEqual([200, world.url + PAGE, '{"in":"amara-okafor"}']);
    expect(askedLast(world).get("acr_values")).toBe("mfa");
    expect((await world.me()).claims?.["acr"]).toBe("mfa");
    expect((await askFor(world)).status).toBe(200);
  });

  test("a script gets 401 with the challenge of RFC 9470, and what to ask for", async () => {
    const world = await start({ acr: ["mfa", "hwk"], maxAge: 300 });
    const answer = await askFor(world);
    expect([answer.status, answer.headers["www-authenticate"]]).toEqual([
      401,
      'Bearer realm="portal", error="insufficient_user_authentication", error_description="A stronger authentication is required", acr_values="mfa hwk", max_age="300"',
    ]);
    expect(JSON.parse(answer.body)).toMatchObject({
      code: "insufficient_user_authentication",
      login: "/login",
      acr_values: "mfa hwk",
      max_age: "300",
    });
    expect(world.log).toEqual([]); // it is everyday
  });

  test("by what it is told a script can send the person to the login", async () => {
    const world = await start({ acr: "mfa", maxAge: 300 });
    const { login, acr_values, max_age } = JSON.parse((await askFor(world)).body);
    const query = new URLSearchParams({ returnTo: PAGE, acr_values, max_age });
    const page = await world.browser.visit(`${world.url}${login}?${query}`);
    expect([page.status, page.url]).toEqual([200, world.url + PAGE]);
    expect([askedLast(world).get("acr_values"), askedLast(world).get("max_age")]).toEqual(["mfa", "300"]);
  });

  test("a visitor's first login asks for it at once", async () => {
    const world = await start({ acr: "mfa", maxAge: 60 });
    const browser = new Browser();
    const page = await open(world, browser);
    expect(page.status).toBe(200);
    expect([askedLast(world).get("acr_values"), askedLast(world).get("max_age")]).toEqual(["mfa", "60"]);
    expect(world.asked("/oauth2/token")).toHaveLength(2); // one for each browser: nobody had to log in twice
  });

  test("what onLogin keeps of the claims does not matter", async () => {
    const onLogin = (context: { claims: { sub: string } }) => {
      context.claims = { sub: context.claims.sub };
    };
    const world = await start({ acr: "pwd", maxAge: 300 }, { options: { hooks: { onLogin } } });
    expect((await world.me()).claims).toEqual({ sub: "amara-okafor" });
    expect((await askFor(world)).status).toBe(200);
  });

  test("login({ acr }) asks for it as well, and looks at what comes back", async () => {
    const world = await start({ acr: "mfa" });
    expect((await world.browser.visit(`${world.url}/again`)).body).toBe('{"in":"amara-okafor"}');
  });
});

describe("a login that is too old", () => {
  test("a browser is sent to the portal, where the person signs in anew, and comes back", async () => {
    const world = await start({ maxAge: 60 });
    world.provider.nextIdToken({ claims: { auth_time: seconds() - 3600 } });
    await again(world);
    expect((await askFor(world)).status).toBe(401);
    const page = await open(world);
    expect([page.status, page.url]).toEqual([200, world.url + PAGE]);
    expect(askedLast(world).get("max_age")).toBe("60");
    expect((await askFor(world)).status).toBe(200);
  });

  test.each([
    ["a second before", 299, 200],
    ["within the clocks' tolerance", 325, 200],
    ["after it, and the way back from the portal", 345, 401],
  ])("as time goes by: %s", async (_when, later, status) => {
    const world = await start({ maxAge: 300 });
    world.later(later);
    expect((await askFor(world)).status).toBe(status);
  });

  test("maxAge: 0 wants a person who has just signed in, and is no circle, whatever the clocks' tolerance", async () => {
    const world = await start({ maxAge: 0 }, { options: { clockTolerance: 0 } });
    world.later(60);
    expect((await askFor(world)).status).toBe(401);
    const fresh = new Browser();
    world.later(-60);
    expect((await open(world, fresh)).status).toBe(200);
  });

  test.each([
    [8, 200],
    [25, 401],
  ])(
    "the way back from the portal may take a moment: %i s, with maxAge: 0 and no tolerance",
    async (age, status) => {
      const world = await start({ maxAge: 0 }, { options: { clockTolerance: 0 } });
      world.provider.nextIdToken({ claims: { auth_time: seconds() - age } });
      await again(world);
      expect((await askFor(world)).status).toBe(status);
    },
  );

  test("an old authentication does not pass because the provider dates the ID token back to it", async () => {
    const world = await start({ maxAge: 300 });
    const yesterday = seconds() - 86_400;
    world.provider.nextIdToken({ claims: { iat: yesterday, auth_time: yesterday } });
    await again(world);
    expect((await world.me()).isAuthenticated).toBe(true);
    expect((await askFor(world)).status).toBe(401);
    expect((await open(world)).body).toBe('{"in":"amara-okafor"}'); // after a login that is really new
  });

  test.each([
    ["25 s behind", -25],
    ["25 s ahead", 25],
  ])("causes no redirect loop when the provider's clock is %s", async (_clocks, offset) => {
    const world = await start({ maxAge: 0 }, { options: { clockTolerance: 30 } });
    world.later(120);
    const time = seconds() + offset;
    world.provider.nextIdToken({ claims: { iat: time, auth_time: time } });
    expect((await open(world)).body).toBe('{"in":"amara-okafor"}');
    expect(world.asked("/oauth2/token")).toHaveLength(2);
    world.later(60);
    expect((await askFor(world)).status).toBe(401);
  });

  test("ends on a page, without a redirect loop, when the provider's clock is an hour behind", async () => {
    const world = await start({ maxAge: 300 }, { log: [/insufficient_user_authentication/] });
    const claims = { iat: seconds() - 3600, auth_time: seconds() - 3600 };
    world.provider.nextIdToken({ claims });
    await again(world);
    world.provider.nextIdToken({ claims });
    const page = await open(world);
    expect([page.status, world.asked("/oauth2/token").length]).toEqual([401, 3]);
  });

  test("one of which the portal never said when it was is too old", async () => {
    const world = await start({ maxAge: 1e9 });
    world.provider.nextIdToken({ claims: { auth_time: undefined } });
    await again(world);
    expect((await askFor(world)).status).toBe(401);
  });
});

const seconds = () => Math.floor(Date.now() / 1000);

/** Another login in the same browser, by the usual way. */
const again = ({ browser, url }: LoggedIn) => browser.visit(`${url}/login`, { site: "same-origin" });

describe("a portal that does not mind the wish", () => {
  const IGNORES: [what: string, demands: RequireAuthOptions, claims: Record<string, unknown>][] = [
    ["and gives the same acr", { acr: "mfa" }, { acr: "pwd" }],
    ["and gives no acr", { acr: "mfa" }, { acr: undefined }],
    ["and gives an acr that looks like it", { acr: "mfa" }, { acr: "mfa2" }],
    ["and gives a list of them", { acr: "mfa" }, { acr: ["pwd", "mfa"] }],
    ["and gives all of them in one text", { acr: "mfa" }, { acr: "pwd mfa" }],
    ["and says that the login was long ago", { maxAge: 60 }, { auth_time: seconds() - 3600 }],
    ["and does not say when it was", { maxAge: 60 }, { auth_time: undefined }],
  ];

  test.each(IGNORES)(
    "%s: the login is refused, nobody goes in circles, and who was in stays in",
    async (_what, demands, claims) => {
      const world = await start(demands, { log: [/insufficient_user_authentication/] });
      if (demands.maxAge !== undefined) {
        world.provider.nextIdToken({ claims: { auth_time: seconds() - 3600 } });
        await again(world);
      }
      world.provider.nextIdToken({ claims });
      const before = world.asked("/oauth2/token").length;
      const page = await open(world); // at most twenty redirects
      expect([page.status, page.body.includes("insufficient_user_authentication")]).toEqual([401, true]);
      const wish = demands.acr === undefined ? "max_age=60" : "acr_values=mfa"; // who tries again tries the same
      expect(page.body).toMatch(new RegExp(`href="/login\\?returnTo=[^"]*${wish}"`));
      expect(world.asked("/oauth2/token").length - before).toBe(1);
      expect((await world.me()).isAuthenticated).toBe(true);
      expect(world.log.at(-1)).toMatch(/insufficient_user_authentication .*claim (acr|auth_time)/);
    },
  );

  test("a visitor is told so too, and is not logged in", async () => {
    const world = await start({ acr: "mfa" }, { log: [/insufficient_user_authentication/] });
    world.provider.nextIdToken({ claims: { acr: "pwd" } });
    const browser = new Browser();
    expect((await open(world, browser)).status).toBe(401);
    expect((await world.me(browser)).isAuthenticated).toBe(false);
  });

  test("acr_values that the app asks for by itself stay a wish", async () => {
    const world = await start({}, { options: { authorizationParams: { acr_values: "hwk" } } });
    expect(askedLast(world).get("acr_values")).toBe("hwk");
    expect((await world.me()).isAuthenticated).toBe(true);
  });

  test("of two limits the shorter one holds", async () => {
    const world = await start({ maxAge: 300 }, { options: { authorizationParams: { max_age: 20 } } });
    await open(world, new Browser());
    expect(askedLast(world).get("max_age")).toBe("20");
  });
});

test("a portal that is documented to tell neither lets nobody pass who must have authenticated lately, and no circle comes of it", async () => {
  const world = await logIn({ after: guarded({ maxAge: 60 }), log: [/insufficient_user_authentication/] });
  expect(decodeJwt((await world.tokens()).id_token ?? "")).not.toHaveProperty("auth_time");
  expect((await open(world)).status).toBe(401);
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
])("in the address of the login %s is no wish that could break it", async (query) => {
  const world = await start({});
  const page = await new Browser().navigate(`${world.url}/login?${query}`);
  const asked = new URL(page.headers.location ?? "").searchParams;
  expect(page.status).toBe(302);
  expect([asked.get("max_age"), (asked.get("acr_values") ?? "a") === "a"]).toEqual([null, true]);
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
])("%j is told when the app starts", (options, words) => {
  expect(() => requireAuth(options)).toThrow(words);
});

describe.skipIf(noChromium)(`in a real browser${noChromium && ` (${noChromium})`}`, () => {
  let chromium: Awaited<ReturnType<typeof launchChromium>>;
  beforeAll(async () => {
    chromium = await launchChromium();
  });
  afterAll(() => chromium?.close());

  test("a person signs in more strongly where a page demands it, and is back where they were", async () => {
    const world = await start({ acr: "mfa", maxAge: 300 });
    const page = await (await chromium.newContext()).newPage();
    const pick = () => page.getByRole("button", { name: /Amara Okafor/ }).click();
    await page.goto(`${world.url}/account`);
    await pick();
    await page.waitForURL(`${world.url}/account`);
    await page.goto(world.url + PAGE);
    await page.waitForURL(/\/portal\/login/); // the portal knows them, and asks all the same
    await pick();
    await page.waitForURL(world.url + PAGE);
    expect(await page.textContent("body")).toContain("amara-okafor");
    await page.reload();
    expect(page.url()).toBe(world.url + PAGE);
    await page.context().close();
  });

  test("a portal that ignores the wish shows one page, which says so and leads out", async () => {
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

  test("who lacks a right sees a page that says so, and can take another account", async () => {
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
