import { decodeJwt } from "jose";
import { describe, expect, test, vi } from "vitest";
import { type LoggedIn, logIn, SESSIONS } from "../access/signed-in-request.js";
import { Browser } from "../support/browser.js";
import { storedLogins } from "./under-way.js";

const PATH = "/frontchannel-logout";

const start = (session: "app" | "ours" = "ours", log: RegExp[] = []) =>
  logIn({
    session,
    log,
    portal: { document: "full" },
    options: { profile: "openid", frontchannelLogout: true },
  });

/** A frame on the portal's page: its browser sends none of our cookies. */
const frame = (
  { url, browser }: LoggedIn,
  query: Record<string, string> | [string, string][],
  who = browser,
) =>
  who.request(`${url}${PATH}?${new URLSearchParams(query)}`, {
    headers: {
      accept: "text/html",
      "sec-fetch-mode": "navigate",
      "sec-fetch-dest": "iframe",
      "sec-fetch-site": "cross-site",
    },
  });

const sidOf = async (world: LoggedIn, browser?: Browser) =>
  String(decodeJwt((await world.tokens(browser)).id_token ?? "")["sid"]);

const isIn = async (world: LoggedIn, browser?: Browser) => (await world.me(browser)).isAuthenticated;

describe.each(SESSIONS)("%s:", (_name, session) => {
  test("a frame of the portal's with its session's sid ends what came of that session, without a cookie", async () => {
    const world = await start(session);
    const other = await world.another();
    const query = { iss: world.provider.issuer, sid: await sidOf(world) };
    const answer = await frame(world, query, new Browser());
    expect([answer.status, answer.headers["cache-control"]]).toEqual([200, "no-store"]);
    expect([await isIn(world), await isIn(world, other)]).toEqual([false, true]);
    expect(await storedLogins(world)).toBe(1);
    await vi.waitFor(() => expect(world.asked("/oauth2/revoke")).toHaveLength(1));
  });

  test("a frame ends a login that began after this moment by the clock of this process, which is behind", async () => {
    const world = await start(session);
    const query = { iss: world.provider.issuer, sid: await sidOf(world) };
    world.later(-120);
    expect((await frame(world, query, new Browser())).status).toBe(200);
    expect([await isIn(world), await storedLogins(world)]).toEqual([false, 0]);
  });

  test("the portal's logout page frames it, and the browser is sent back to the app", async () => {
    const world = await start(session);
    world.provider.register({ frontchannelLogoutUri: world.url + PATH });
    const other = await world.another();
    const page = await other.navigate(`${world.provider.issuer}/logout`);
    const [, address = ""] = /<iframe src="([^"]+)"/.exec(page.body) ?? [];
    const url = new URL(address.replaceAll("&amp;", "&"));
    expect(Object.fromEntries(url.searchParams)).toEqual({
      iss: world.provider.issuer,
      sid: await sidOf(world, other),
    });
    expect((await frame(world, [...url.searchParams], other)).status).toBe(200);
    expect([await isIn(world), await isIn(world, other)]).toEqual([true, false]);
  });
});

test("only the portal's pages may frame the answer, which loads and runs nothing", async () => {
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

test("a page that is not framed for a logout is still framed by nobody", async () => {
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
])("the log of a refused frame names %s", async (_name, queryOf, line) => {
  const world = await start("ours", [line]);
  const { status } = await frame(world, queryOf(world.provider.issuer));
  expect(status).toBe(400);
});

describe("nobody is logged out by", () => {
  const REFUSED: [what: string, query: (iss: string, sid: string) => [string, string][]][] = [
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
      "a sid of a mile",
      (iss) => [
        ["iss", iss],
        ["sid", "s".repeat(256)],
      ],
    ],
  ];

  test.each(REFUSED)("%s: 400", async (_what, query) => {
    const world = await start("ours", [/logout_request_invalid/]);
    const answer = await frame(world, query(world.provider.issuer, await sidOf(world)));
    expect(answer.status).toBe(400);
    expect(answer.body).toContain("<title>Something went wrong</title>");
    expect(answer.body).not.toContain("/login");
    expect(await isIn(world)).toBe(true);
  });

  test("an unknown sid, which gets the answer of a known one, as a page that frames it must not find out which", async () => {
    const world = await start();
    const unknown = await frame(world, { iss: world.provider.issuer, sid: "unknown" });
    const known = await frame(world, { iss: world.provider.issuer, sid: await sidOf(world) });
    const seen = ({ status, headers: { date: _, ...headers }, body }: typeof known) => ({
      status,
      headers,
      body,
    });
    expect(await isIn(world)).toBe(false);
    expect(seen(unknown)).toEqual(seen(known));
    expect(known.body).not.toMatch(/signed out/i);
  });

  test("a sid that was guessed, or is a person's name, and nothing is written for it", async () => {
    const world = await start();
    world.store.calls(); // those of the login
    for (const sid of ["guessed", "amara-okafor", "__proto__", "constructor"])
      expect((await frame(world, { iss: world.provider.issuer, sid })).status).toBe(200);
    expect(world.store.calls().filter((name) => !["read", "readEntry", "index.list"].includes(name))).toEqual(
      [],
    );
    expect(await isIn(world)).toBe(true);
  });

  test.each(["POST", "PUT", "HEAD"])("a request by %s", async (method) => {
    const world = await start();
    const query = new URLSearchParams({ iss: world.provider.issuer, sid: await sidOf(world) });
    await world.browser.fetch(`${world.url}${PATH}?${query}`, { method });
    expect(await isIn(world)).toBe(true);
  });

  test("a prefetch", async () => {
    const world = await start();
    const query = new URLSearchParams({ iss: world.provider.issuer, sid: await sidOf(world) });
    const headers = { "sec-purpose": "prefetch" };
    expect((await world.browser.fetch(`${world.url}${PATH}?${query}`, { headers })).status).toBe(503);
    expect(await isIn(world)).toBe(true);
  });

  test("a frame where front-channel logout is not switched on", async () => {
    const world = await logIn({ portal: { document: "full" }, options: { profile: "openid" } });
    expect((await frame(world, { iss: world.provider.issuer, sid: await sidOf(world) })).status).toBe(404);
    expect(await isIn(world)).toBe(true);
  });
});

test("while the store is away the portal's frame says that it did not work", async () => {
  const world = await start("ours", [/session_store_failed/]);
  const query = { iss: world.provider.issuer, sid: await sidOf(world) };
  const remove = vi.spyOn(world.store, "remove").mockRejectedValue(new Error("the store is away"));
  expect((await frame(world, query)).status).toBe(503);
  remove.mockRestore();
  expect((await frame(world, query)).status).toBe(200);
  expect(await isIn(world)).toBe(false);
});
