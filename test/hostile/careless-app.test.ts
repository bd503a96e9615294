import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import type { Answer } from "../support/browser.js";
import { CLIENT_ID, SESSION_SECRET } from "../support/world.js";
import { attacks, type Case, logIn, onExpress4, startWorld, useHost, type World } from "./support/attack.js";
import { notBegunHere, refused, welcomed } from "./support/outcomes.js";

// An application around us that is careless, or that has neighbours: what it does must not undo what we do.

const APPS_SESSION = { ownSession: { secret: "a-secret-of-the-apps-own-session" } } as const;

/** A login as it would lie in the session, made up by somebody who has read this package. */
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

/** `Object.assign(req.session, req.body)`, or a merge, with a body of the stranger's or the victim's choice. */
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
    name: `by somebody who is logged in, merged into what is there, in ${of}: they stay who they are`,
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
    name: `none, by a visitor, into ${of}: what else they have written is kept`,
    source: "CWE-915",
    async act(world) {
      await assign(world, world.stranger, { portal: null, note: "mine" });
      return world.stranger.fetch(`${world.base}/note`);
    },
    outcome: ({ body }) => void expect(body).toBe('{"note":"mine"}'),
  },
  {
    ...setting,
    name: `by somebody who is logged in, into ${of}: they stay who they are`,
    source: "CWE-915",
    async act(world) {
      await logIn(world);
      await assign(world, world.victim, { ...madeUp(world), note: "so that it is saved" });
      return world.victim.visit(`${world.base}/account`);
    },
    outcome: welcomed,
  },
];
attacks("a login that is made up, in an app that lets people fill its session", [
  ...assignments("our session", {}),
  ...assignments("the app's own session", { app: APPS_SESSION }),
  ...assignments("the session of a router with a name", { app: APPS_SESSION, options: { name: "staff" } }),
]);

attacks("two routers of one portal and client", [
  {
    name: "whom one of them has let in, by hooks of its own, the other does not know",
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

/** Signs in as another person in the victim's browser, whose session at the portal has ended and here has not. */
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

attacks("one browser, two people", [
  {
    name: "what keepSessionKeys keeps for a person is not handed to the next one, and the first one's token is ended",
    source: "CWE-488",
    options: { keepSessionKeys: ["note"] },
    act: (world) => signInAfter(world, "jonas-weber"),
    async outcome({ body }, { asked, victim, whoIs }) {
      expect([body, await whoIs(victim)]).toEqual(["{}", "jonas-weber"]);
      expect(asked("/oauth2/revoke")).toHaveLength(1);
    },
  },
  {
    name: "who signs in once more keeps it, and no token is ended: the portal may see one login in both",
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
  source: "express-session 1.19, which takes every cookie for a text",
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
attacks("beside cookie-parser, on Express 4", onExpress4(parsers));

const wishes: Case[] = [
  {
    name: "a wish that is no text, and cannot be made one, while the login cannot begin",
    source: "CWE-248: on Express 4 nobody catches what login() rejects with",
    async act({ stranger, base, portal: provider }) {
      provider.goDown();
      const answer = await stranger.navigate(`${base}/wish?to[toString]=x`);
      await provider.comeUp();
      return answer;
    },
    outcome: refused("portal_unreachable"),
  },
];
attacks("login() with what a query holds", wishes);
attacks("login() with what a query holds, on Express 4", onExpress4(wishes));

const host = useHost();

test("while the first connection to the store opens, a cookie that is JSON is nobody's and does no harm", async () => {
  const sockets = new Set<Socket>();
  const silent = createServer((socket) => void sockets.add(socket)).listen(0, "127.0.0.1");
  await once(silent, "listening");
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    silent.close();
  });
  const { port } = silent.address() as { port: number };
  const connected = once(silent, "connection");
  const { stranger, base } = await startWorld(host(), {
    options: { store: `redis://127.0.0.1:${port}`, secret: SESSION_SECRET },
    app: { cookieParser: true },
  });
  await connected;
  expect((await stranger.fetch(`${base}/account`, { headers: JSON_COOKIE })).status).toBe(401);
  await host().ping();
});
