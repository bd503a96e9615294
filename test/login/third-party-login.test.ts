import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { PortalAuthOptions } from "../../lib/index.js";
import { type Answer, Browser, type RequestOptions } from "../support/browser.js";
import { launchChromium, noChromium } from "../support/chromium.js";
import { serve } from "../support/serve.js";
import { startWorld, type World } from "../support/world.js";

const EXPECTED_LOG = [/login_initiation_invalid/];

const start = (options: PortalAuthOptions = {}, log: RegExp[] = []) =>
  startWorld({ options: { thirdPartyLogin: true, ...options }, log });

type Given = Record<string, string> | [string, string][];

const sendByGet = ({ url, browser }: World, given: Given) =>
  browser.navigate(`${url}/login?${new URLSearchParams(given)}`, { site: "cross-site" });

/** Which form is redirected to GET. */
async function sendByPost({ url, browser }: World, given: Given): Promise<Answer> {
  const form = new URLSearchParams(given);
  const posted = await browser.navigate(`${url}/login`, { method: "POST", form, site: "cross-site" });
  if (posted.status !== 303) return posted;
  expect(posted.headers["set-cookie"]).toBeUndefined();
  return browser.navigate(new URL(posted.headers.location ?? "", `${url}/login`), { site: "cross-site" });
}

describe.each([
  ["GET", sendByGet],
  ["POST", sendByPost],
])("a login that another site starts by %s", (_method, begin) => {
  test("leads to the provider with the hint, and back to the target", async () => {
    const world = await start();
    const { provider, browser, url } = world;
    const answer = await begin(world, {
      iss: provider.issuer,
      login_hint: "amara@lighthouse.example",
      target_link_uri: `${url}/account?from=list`,
    });
    const to = new URL(answer.headers.location ?? "");
    expect([answer.status, to.origin, to.searchParams.get("login_hint")]).toEqual([
      302,
      provider.issuer,
      "amara@lighthouse.example",
    ]);
    const page = await browser.visit(to);
    expect([page.url, page.status]).toEqual([`${url}/account?from=list`, 200]);
  });

  test("needs neither hint nor target", async () => {
    const world = await start();
    const { headers } = await begin(world, { iss: world.provider.issuer });
    expect((await world.browser.visit(headers.location ?? "")).url).toBe(`${world.url}/`);
  });

  test.each<[what: string, given: (iss: string) => Given]>([
    ["another issuer", () => ({ iss: "https://elsewhere.example" })],
    ["an issuer with a slash at the end", (iss) => ({ iss: `${iss}/` })],
    ["an issuer in capital letters", (iss) => ({ iss: iss.toUpperCase() })],
    ["an empty issuer", () => ({ iss: "" })],
    [
      "two issuers",
      (iss) => [
        ["iss", iss],
        ["iss", iss],
      ],
    ],
    [
      "two hints",
      (iss) => [
        ["iss", iss],
        ["login_hint", "a"],
        ["login_hint", "b"],
      ],
    ],
    [
      "two targets",
      (iss) => [
        ["iss", iss],
        ["target_link_uri", "/a"],
        ["target_link_uri", "/b"],
      ],
    ],
    ["a hint that is too long", (iss) => ({ iss, login_hint: "h".repeat(1001) })],
  ])("is rejected for %s", async (_what, given) => {
    const world = await start({}, EXPECTED_LOG);
    const answer = await begin(world, given(world.provider.issuer));
    expect([answer.status, answer.headers.location]).toEqual([400, undefined]);
    expect(answer.body).toContain("login_initiation_invalid");
  });

  test.each([
    "https://evil.example/account",
    "//evil.example/account",
    "/\\evil.example",
    "/\t/evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "blob:https://app.example/x",
    "http://user:password@127.0.0.1/",
    "https://127.0.0.1/account",
    "",
    "not an address",
  ])("with the target %j ends at a page of this site", async (target_link_uri) => {
    const world = await start();
    const { headers } = await begin(world, { iss: world.provider.issuer, target_link_uri });
    const page = await world.browser.visit(headers.location ?? "");
    expect(new URL(page.url).origin).toBe(world.url);
  });

  test("does not end at a route of the router, which would be a redirect loop", async () => {
    const world = await start();
    const { headers } = await begin(world, {
      iss: world.provider.issuer,
      target_link_uri: `${world.url}/logout`,
    });
    expect((await world.browser.visit(headers.location ?? "")).url).toBe(`${world.url}/`);
  });

  test("without a hint redirects a signed-in user to the target at once", async () => {
    const world = await start();
    await world.browser.visit(`${world.url}/account`);
    const answer = await begin(world, { iss: world.provider.issuer, target_link_uri: "/account" });
    expect([answer.status, answer.headers.location, answer.headers["set-cookie"]]).toEqual([
      303,
      "/account",
      undefined,
    ]);
    expect(world.asked("/oauth2/authorize")).toHaveLength(1);
  });

  test("with a hint keeps the user's session until it is finished", async () => {
    const world = await start();
    await world.browser.visit(`${world.url}/account`);
    const { headers } = await begin(world, { iss: world.provider.issuer, login_hint: "jonas-weber" });
    expect((await world.me()).claims).toMatchObject({ sub: "amara-okafor" });
    world.browser.user = { sub: "jonas-weber" };
    await world.browser.visit(`${world.provider.issuer}/logout?client_id=demo-app`);
    await world.browser.visit(headers.location ?? "");
    expect((await world.me()).claims).toMatchObject({ sub: "jonas-weber" });
  });

  test("sets no cookie except the login's, for each kind of session of the app", async () => {
    const world = await startWorld({ ownSession: true, options: { thirdPartyLogin: true } });
    const { headers } = await begin(world, { iss: world.provider.issuer });
    expect(headers["set-cookie"]?.map((line) => line.split("=")[0]?.split(".")[0])).toEqual(["portal-login"]);
  });
});

test.each([
  ["a script", { "sec-fetch-mode": "cors" }],
  ["an image", { "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image" }],
  ["a frame", { "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe" }],
])("%s starts no login by GET", async (_what, headers) => {
  const { url, browser, provider } = await start({}, [/navigation_required/]);
  const query = new URLSearchParams({ iss: provider.issuer });
  expect((await browser.request(`${url}/login?${query}`, { headers })).status).toBe(400);
  expect((await browser.request(`${url}/login`, { method: "POST", headers, form: query })).status).toBe(400);
});

test.each<[string, RequestOptions]>([
  ["JSON", { headers: { "content-type": "application/json" }, form: { iss: "x" } }],
  ["a form over 64 KiB", { form: { iss: "x".repeat(65 * 1024) } }],
])("a POST with %s starts no login", async (_what, ask) => {
  const { url, browser } = await start({}, EXPECTED_LOG);
  expect((await browser.navigate(`${url}/login`, { method: "POST", ...ask })).status).toBe(400);
});

test("a POST is redirected to GET at the browser's URL, without unknown parameters", async () => {
  const { url, browser, provider } = await start();
  const form = {
    iss: provider.issuer,
    login_hint: "a b",
    posted: "x",
    returnTo: "/x",
    target_link_uri: "/account",
  };
  const { status, headers } = await browser.navigate(`${url}/login`, {
    method: "POST",
    form,
    site: "cross-site",
  });
  const known = new URLSearchParams({ iss: provider.issuer, login_hint: "a b", target_link_uri: "/account" });
  expect([status, headers.location, headers["set-cookie"]]).toEqual([303, `?${known}`, undefined]);
});

test("a page that posts again and again adds no cookies", async () => {
  const world = await start();
  for (let n = 0; n < 15; n += 1) {
    await sendByPost(world, { iss: world.provider.issuer, target_link_uri: `/${"x".repeat(1500)}` });
    const cookies = [...(await world.browser.cookies(world.url))].map(
      ([name, value]) => name.length + value.length,
    );
    expect(cookies.reduce((sum, length) => sum + length, 0)).toBeLessThan(4200);
  }
});

test("if the session is SameSite=Strict, an interstitial page loads the URL again", async () => {
  const { url, browser, provider } = await start({ sameSite: "strict" });
  const address = new URL(`${url}/login?${new URLSearchParams({ iss: provider.issuer })}`);
  const page = await browser.navigate(address, { site: "cross-site" });
  expect([page.status, page.headers["refresh"]]).toEqual([200, `0; url=${address.search}`]);
  expect((await browser.navigate(address, { site: "same-origin" })).status).toBe(302);
});

test("if the option is off, a POST is passed to the app, and the parameters are ignored", async () => {
  const { url, browser, provider } = await startWorld();
  const given = { iss: "https://elsewhere.example", login_hint: "x", target_link_uri: "/account" };
  expect((await browser.navigate(`${url}/login`, { method: "POST", form: given })).status).toBe(404);
  const { status, headers } = await browser.navigate(`${url}/login?${new URLSearchParams(given)}`);
  const to = new URL(headers.location ?? "");
  expect([status, to.origin, to.searchParams.get("login_hint")]).toEqual([302, provider.issuer, null]);
});

test("PORTAL_THIRD_PARTY_LOGIN=on turns the option on, and links of this site still work", async () => {
  vi.stubEnv("PORTAL_THIRD_PARTY_LOGIN", "on");
  const world = await startWorld();
  vi.unstubAllEnvs();
  expect((await sendByPost(world, { iss: world.provider.issuer })).status).toBe(302);
  const page = await new Browser().visit(`${world.url}/login?returnTo=/account`);
  expect(page.url).toBe(`${world.url}/account`);
});

describe.skipIf(noChromium)(`in a real browser${noChromium && ` (${noChromium})`}`, () => {
  let browser: Awaited<ReturnType<typeof launchChromium>>;
  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(() => browser?.close());

  test("a form of another site signs a user in without cookies, and leads to its target page", async () => {
    const { url, provider } = await start();
    const form = `<form method="post" action="${url}/login">
      <input name="iss" value="${provider.issuer}">
      <input name="target_link_uri" value="${url}/account"><button>go</button></form>`;
    // For cookies, localhost is another site.
    const otherSite = (
      await serve((_req, res) => void res.setHeader("content-type", "text/html").end(form))
    ).replace("127.0.0.1", "localhost");
    const page = await (await browser.newContext()).newPage();
    await page.goto(otherSite);
    await page.getByRole("button", { name: "go" }).click();
    await page.getByRole("button", { name: /Amara Okafor/ }).click();
    await page.waitForURL(`${url}/account`);
    expect(await page.textContent("body")).toContain("amara-okafor");
    await page.context().close();
  });
});
