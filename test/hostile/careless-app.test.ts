import { once } from "node:events";
import { createServer } from "node:net";
import { expect, test } from "vitest";
import type { Answer } from "../support/browser.js";
import { serve } from "../support/serve.js";
import { CLIENT_ID, SESSION_SECRET } from "../support/world.js";
import { attacks, type Case, logIn, onExpress4, startWorld, useHost, type World } from "./support/attack.js";
import { notBegunHere, refused, welcomed } from "./support/outcomes.js";

// A careless application around us, or one with neighbours. Its mistakes must not undo our protection.

const APPS_SESSION = { ownSession: { secret: "a-secret-of-the-apps-own-session" } } as const;

/** A login as it would be stored in the session, forged by an attacker who has read this package. */
const madeUp = ({ portal: provider, base }: World): { portal: object } => ({
  portal: {
    tokens: { access_token: "x", token_type: "bearer" },
    claims: { sub: "admin" },
    started_at: Math.floor(Date.now() / 1000),
    obtained_at: Math.floor(Date.now() / 1000),
    issuer: provider.issuer,
    client_id: CLIENT_ID,
    redirect_uri: `${base}/callback`,
    version: 99,
  },
});

/**
 * `Object.assign(req.session, req.body)`, or a merge, with a body that the attacker or the victim chooses.
 */
const assign = (world: World, client: World["victim"], body: object, way = "assign"): Promise<Answer> =>
  client.fetch(`${world.base}/${way}`, { method: "POST", form: { members: JSON.stringify(body) } });

const assignments = (of: string, setting: Partial<Case>): Case[] => [
  {
    ...setting,
    name: `by a visitor, into ${of}`,
    source: "CWE-915",
    async act(world) {
      await assign(world, world.stranger, { ...madeUp(world), note: "so that it is saved" });
      return world.stranger.fetch(`${world.base}/account`);
    },
    outcome: refused("login_required"),
  },
  {
    ...setting,
    name: `by a visitor who has a session already, into ${of}`,
    source: "CWE-915",
    async act(world) {
      await assign(world, world.stranger, { note: "first" });
      await assign(world, world.stranger, { ...madeUp(world), note: "second" });
      return world.stranger.fetch(`${world.base}/account`);
    },
    outcome: refused("login_required"),
  },
  {
    ...setting,
    name: `by a signed-in user, merged into ${of}: the user stays the same`,
    source: "CWE-915",
    async act(world) {
      await logIn(world);
      const merged = await assign(
        world,
        world.victim,
        { portal: { version: 99, claims: { sub: "admin" } }, note: "x" },
        "merge",
      );
      expect(JSON.parse(merged.body)).toEqual({ sub: "amara-okafor" });
      return world.victim.visit(`${world.base}/account`);
    },
    outcome: welcomed,
  },
  {
    ...setting,
    name: `none, by a visitor, into ${of}: the visitor's other data stays`,
    source: "CWE-915",
    async act(world) {
      await assign(world, world.stranger, { portal: null, note: "mine" });
      return world.stranger.fetch(`${world.base}/note`);
    },
    outcome: ({ body }) => void expect(body).toBe('{"note":"mine"}'),
  },
  {
    ...setting,
    name: `by a signed-in user, into ${of}: the user stays the same`,
    source: "CWE-915",
    async act(world) {
      await logIn(world);
      await assign(world, world.victim, { ...madeUp(world), note: "so that it is saved" });
      return world.victim.visit(`${world.base}/account`);
    },
    outcome: welcomed,
  },
];
attacks("ignores a forged login, in an app that lets users fill its session", [
  ...assignments("our session", {}),
  ...assignments("the app's own session", { app: APPS_SESSION }),
  ...assignments("the session of a router with a name", { app: APPS_SESSION, options: { name: "staff" } }),
]);

attacks("two routers of one provider and client", [
  {
    name: "a user whom the hooks of one router accepted is not signed in at the other",
    source: "guide, multiple providers",
    twin: true,
    app: APPS_SESSION,
    async act(world) {
      await world.victim.visit(`${world.url}/twin/login?returnTo=/twin/account`, { site: "same-origin" });
      expect(await world.whoIs(world.victim, `${world.url}/twin`)).toBe("amara-okafor");
      return world.victim.fetch(`${world.base}/account`);
    },
    outcome: async ({ status }, { whoIs, victim }) =>
      void expect([status, await whoIs(victim)]).toEqual([401, undefined]),
  },
]);

/**
 * Signs in as another user in the victim's browser, after the session at the provider has ended and the app's
 * has not.
 */
async function signInAfter(world: World, sub: string): Promise<Answer> {
  const { victim, base, url } = world;
  await logIn(world);
  await assign(world, victim, { note: "a draft" });
  const session = (await victim.cookies(url)).get("portal-session");
  await victim.jar.removeAllCookies();
  await victim.jar.setCookie(`portal-session=${session}; Path=/`, url);
  victim.person = { sub };
  await victim.visit(`${base}/login`, { site: "same-origin" });
  return victim.fetch(`${base}/note`);
}

attacks("one browser, two users", [
  {
    name: "drops the keepSessionKeys values of the first user, and revokes the first user's token",
    source: "CWE-488",
    options: { keepSessionKeys: ["note"] },
    act: (world) => signInAfter(world, "jonas-weber"),
    async outcome({ body }, { asked, victim, whoIs }) {
      expect([body, await whoIs(victim)]).toEqual(["{}", "jonas-weber"]);
      expect(asked("/oauth2/revoke")).toHaveLength(1);
    },
  },
  {
    name: "keeps them for the same user, and revokes no token: the provider may treat both logins as one",
    source: "guide, keepSessionKeys",
    options: { keepSessionKeys: ["note"] },
    act: (world) => signInAfter(world, "amara-okafor"),
    async outcome({ body }, { asked, victim, whoIs }) {
      expect([body, await whoIs(victim)]).toEqual(['{"note":"a draft"}', "amara-okafor"]);
      expect(asked("/oauth2/revoke")).toEqual([]);
    },
  },
]);

/** cookie-parser reads a cookie that begins with "j:" as JSON. */
const parsed = (name: string, act: Case["act"], more: Partial<Case> = {}): Case => ({
  name,
  source: "express-session 1.19, which expects every cookie to be a text",
  app: { cookieParser: true },
  ...(act && { act }),
  outcome: refused("login_required"),
  ...more,
});
const JSON_COOKIE = { cookie: 'portal-session=j:{"a":1}' };
const parsers: Case[] = [
  ...['{"a":1}', "[]", "1", "true", "null"].map((json) =>
    parsed(`a session's cookie that is JSON: ${json}`, ({ stranger, base }) =>
      stranger.fetch(`${base}/account`, { headers: { cookie: `portal-session=j:${json}` } }),
    ),
  ),
  parsed(
    "a login's cookie that is JSON",
    async ({ victim, base, url }) => {
      const address = await victim.loginUntilCallback(`${base}/login`, { site: "same-origin" });
      const [login] = (await victim.jar.getCookies(url)).filter(({ key }) => key.startsWith("portal-login."));
      return victim.navigate(address, { headers: { cookie: `${login?.key}=j:{}` } });
    },
    { outcome: notBegunHere },
  ),
  { ...parsed("an honest login beside it", logIn), outcome: welcomed },
];
attacks("beside cookie-parser", parsers);
attacks("ignores cookies that cookie-parser makes JSON of, on Express 4", onExpress4(parsers));

const wishes: Case[] = [
  {
    name: "a requested value that is not a text and cannot become one, while the login cannot start",
    source: "CWE-248: on Express 4 a rejection of login() is not caught",
    async act({ stranger, base, portal: provider }) {
      provider.goDown();
      const answer = await stranger.navigate(`${base}/wish?to[toString]=x`);
      await provider.comeUp();
      return answer;
    },
    outcome: refused("portal_unreachable"),
  },
];
attacks("survives login() with values of a query", wishes);
attacks("survives login() with values of a query, on Express 4", onExpress4(wishes));

const host = useHost();

test("ignores a cookie that is JSON while the first connection to the store opens", async () => {
  const silent = createServer();
  const { port } = new URL(await serve(silent));
  const connected = once(silent, "connection");
  const { stranger, base } = await startWorld(host(), {
    options: { store: `redis://127.0.0.1:${port}`, secret: SESSION_SECRET },
    app: { cookieParser: true },
  });
  await connected;
  expect((await stranger.fetch(`${base}/account`, { headers: JSON_COOKIE })).status).toBe(401);
  await host().ping();
});
