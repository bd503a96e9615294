import { decodeJwt } from "jose";
import { describe, expect, test, vi } from "vitest";
import { type LoggedIn, logIn, SESSIONS } from "../access/signed-in-request.js";
import { Browser } from "../support/browser.js";
import { countStoredLogins } from "./under-way.js";

const PATH = "/frontchannel-logout";

const start = (session: "app" | "ours" = "ours", log: RegExp[] = []) =>
  logIn({
    session,
    log,
    provider: { document: "full" },
    options: { profile: "openid", frontchannelLogout: true },
  });

/** Loads the route in a frame of the provider's page. Browsers send no cookie of this site there. */
const frame = (
  { url, browser }: LoggedIn,
  query: Record<string, string> | [string, string][],
  frameBrowser = browser,
) =>
  frameBrowser.request(`${url}${PATH}?${new URLSearchParams(query)}`, {
    headers: {
      accept: "text/html",
      "sec-fetch-mode": "navigate",
      "sec-fetch-dest": "iframe",
      "sec-fetch-site": "cross-site",
    },
  });

const sidOf = async (world: LoggedIn, browser?: Browser) =>
  String(decodeJwt((await world.tokens(browser)).id_token ?? "")["sid"]);

const isSignedIn = async (world: LoggedIn, browser?: Browser) => (await world.me(browser)).isAuthenticated;

describe.each(SESSIONS)("%s:", (_name, session) => {
  test("a frame of the provider ends the sessions with this sid, without a cookie", async () => {
    const world = await start(session);
    const other = await world.another();
    const query = { iss: world.provider.issuer, sid: await sidOf(world) };
    const response = await frame(world, query, new Browser());
    expect([response.status, response.headers["cache-control"]]).toEqual([200, "no-store"]);
    expect([await isSignedIn(world), await isSignedIn(world, other)]).toEqual([false, true]);
    expect(await countStoredLogins(world)).toBe(1);
    await vi.waitFor(() => expect(world.asked("/oauth2/revoke")).toHaveLength(1));
  });

  test("a frame ends a login that is later than the slow clock of this process", async () => {
    const world = await start(session);
    const query = { iss: world.provider.issuer, sid: await sidOf(world) };
    world.later(-120);
    expect((await frame(world, query, new Browser())).status).toBe(200);
    expect([await isSignedIn(world), await countStoredLogins(world)]).toEqual([false, 0]);
  });

  test("the provider's logout page loads the route in a frame", async () => {
    const world = await start(session);
    world.provider.register({ frontchannelLogoutUri: world.url + PATH });
    const other = await world.another();
    const page = await other.navigate(`${world.provider.issuer}/logout`);
    const [, frameUrl = ""] = /<iframe src="([^"]+)"/.exec(page.body) ?? [];
    const url = new URL(frameUrl.replaceAll("&amp;", "&"));
    expect(Object.fromEntries(url.searchParams)).toEqual({
      iss: world.provider.issuer,
      sid: await sidOf(world, other),
    });
    expect((await frame(world, [...url.searchParams], other)).status).toBe(200);
    expect([await isSignedIn(world), await isSignedIn(world, other)]).toEqual([true, false]);
  });
});

test("only the provider's pages may frame the response, which loads and runs nothing", async () => {
  const world = await start();
  world.provider.alterDiscovery((document) => {
    document["end_session_endpoint"] = "http://127.0.0.2:81/logout";
  });
  const { headers } = await frame(world, { iss: world.provider.issuer, sid: "unknown" });
  const policy = String(headers["content-security-policy"]);
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain(`frame-ancestors ${world.provider.issuer}`);
  expect(headers["x-frame-options"]).toBeUndefined();
  expect(headers["referrer-policy"]).toBe("no-referrer");
});

test("an error page of the route must not be framed", async () => {
  const world = await start("ours", [/logout_request_invalid/]);
  const { headers } = await frame(world, {});
  expect(headers["content-security-policy"]).toContain("frame-ancestors 'none'");
  expect(headers["x-frame-options"]).toBe("DENY");
});

test.each([
  [
    "the issuer",
    (iss: string) => ({ iss: `${iss}x`, sid: "s" }),
    /\[iss is not the issuer of the provider\]/,
  ],
  ["a missing sid", (iss: string) => ({ iss }), /\[iss and sid must each be present exactly once\]/],
  ["a long sid", (iss: string) => ({ iss, sid: "s".repeat(256) }), /\[sid is longer than 255 characters\]/],
])("the log of a rejected frame names %s", async (_name, createQuery, line) => {
  const world = await start("ours", [line]);
  const { status } = await frame(world, createQuery(world.provider.issuer));
  expect(status).toBe(400);
});

describe("no session ends by", () => {
  const REJECTED: [what: string, query: (iss: string, sid: string) => [string, string][]][] = [
    ["a frame without iss and sid", () => []],
    ["a frame without iss", (_iss, sid) => [["sid", sid]]],
    ["a frame without sid", (iss) => [["iss", iss]]],
    [
      "an empty sid",
      (iss) => [
        ["iss", iss],
        ["sid", ""],
      ],
    ],
    [
      "another issuer",
      (_iss, sid) => [
        ["iss", "https://elsewhere.example"],
        ["sid", sid],
      ],
    ],
    [
      "an issuer and a slash",
      (iss, sid) => [
        ["iss", `${iss}/`],
        ["sid", sid],
      ],
    ],
    [
      "two issuers",
      (iss, sid) => [
        ["iss", iss],
        ["iss", "x"],
        ["sid", sid],
      ],
    ],
    [
      "two sids",
      (iss, sid) => [
        ["iss", iss],
        ["sid", sid],
        ["sid", "x"],
      ],
    ],
    [
      "a list",
      (iss, sid) => [
        ["iss", iss],
        ["sid[]", sid],
      ],
    ],
    [
      "a sid over 255 characters",
      (iss) => [
        ["iss", iss],
        ["sid", "s".repeat(256)],
      ],
    ],
  ];

  test.each(REJECTED)("%s: 400", async (_what, query) => {
    const world = await start("ours", [/logout_request_invalid/]);
    const response = await frame(world, query(world.provider.issuer, await sidOf(world)));
    expect(response.status).toBe(400);
    expect(response.body).toContain("<title>Something went wrong</title>");
    expect(response.body).not.toContain("/login");
    expect(await isSignedIn(world)).toBe(true);
  });

  test("an unknown sid, which gets the same response as a known sid", async () => {
    const world = await start();
    const unknown = await frame(world, { iss: world.provider.issuer, sid: "unknown" });
    const known = await frame(world, { iss: world.provider.issuer, sid: await sidOf(world) });
    const withoutDate = ({ status, headers: { date: _, ...headers }, body }: typeof known) => ({
      status,
      headers,
      body,
    });
    expect(await isSignedIn(world)).toBe(false);
    expect(withoutDate(unknown)).toEqual(withoutDate(known));
    expect(known.body).not.toMatch(/signed out/i);
  });

  test("a guessed sid or a user name, and nothing is written to the store", async () => {
    const world = await start();
    world.store.calls(); // discards the calls of the login
    for (const sid of ["guessed", "amara-okafor", "__proto__", "constructor"])
      expect((await frame(world, { iss: world.provider.issuer, sid })).status).toBe(200);
    expect(world.store.calls().filter((name) => !["read", "readEntry", "index.list"].includes(name))).toEqual(
      [],
    );
    expect(await isSignedIn(world)).toBe(true);
  });

  test.each(["POST", "PUT", "HEAD"])("a %s request", async (method) => {
    const world = await start();
    const query = new URLSearchParams({ iss: world.provider.issuer, sid: await sidOf(world) });
    await world.browser.fetch(`${world.url}${PATH}?${query}`, { method });
    expect(await isSignedIn(world)).toBe(true);
  });

  test("a prefetch", async () => {
    const world = await start();
    const query = new URLSearchParams({ iss: world.provider.issuer, sid: await sidOf(world) });
    const headers = { "sec-purpose": "prefetch" };
    expect((await world.browser.fetch(`${world.url}${PATH}?${query}`, { headers })).status).toBe(503);
    expect(await isSignedIn(world)).toBe(true);
  });

  test("a frame without the option frontchannelLogout", async () => {
    const world = await logIn({ provider: { document: "full" }, options: { profile: "openid" } });
    expect((await frame(world, { iss: world.provider.issuer, sid: await sidOf(world) })).status).toBe(404);
    expect(await isSignedIn(world)).toBe(true);
  });
});

test("the frame gets 503 while the store is unreachable", async () => {
  const world = await start("ours", [/session_store_failed/]);
  const query = { iss: world.provider.issuer, sid: await sidOf(world) };
  const remove = vi.spyOn(world.store, "remove").mockRejectedValue(new Error("the store is away"));
  expect((await frame(world, query)).status).toBe(503);
  remove.mockRestore();
  expect((await frame(world, query)).status).toBe(200);
  expect(await isSignedIn(world)).toBe(false);
});
