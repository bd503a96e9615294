import { once } from "node:events";
import { createServer } from "node:net";
import { expect, test } from "vitest";
import type { Answer } from "../support/browser.js";
import { serve } from "../support/serve.js";
import { CLIENT_ID, SESSION_SECRET } from "../support/world.js";
import {
  type Case,
  describeAttacks,
  onExpress4,
  signIn,
  startWorld,
  useHost,
  type World,
} from "./support/attack.js";
import { loginNotFound, rejectedWith, signedIn } from "./support/outcomes.js";

// A careless application, or one with other middleware. Its mistakes must not weaken the protection.

const OWN_SESSION = { ownSession: { secret: "a-secret-of-the-apps-own-session" } } as const;

/** Creates a login as it would be stored in the session, forged by an attacker who knows this package. */
const forgeLogin = ({ provider, base }: World): { portal: object } => ({
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

/** Lets the app do `Object.assign(req.session, body)`, or a merge, with a body from this browser. */
const assign = (world: World, client: World["victim"], body: object, route = "assign"): Promise<Answer> =>
  client.fetch(`${world.base}/${route}`, { method: "POST", form: { members: JSON.stringify(body) } });

const assignments = (session: string, setting: Partial<Case>): Case[] => [
  {
    ...setting,
    name: `from a visitor, into ${session}`,
    source: "CWE-915",
    async attack(world) {
      await assign(world, world.attacker, { ...forgeLogin(world), note: "so that it is saved" });
      return world.attacker.fetch(`${world.base}/account`);
    },
    outcome: rejectedWith("login_required"),
  },
  {
    ...setting,
    name: `from a visitor who already has a session, into ${session}`,
    source: "CWE-915",
    async attack(world) {
      await assign(world, world.attacker, { note: "first" });
      await assign(world, world.attacker, { ...forgeLogin(world), note: "second" });
      return world.attacker.fetch(`${world.base}/account`);
    },
    outcome: rejectedWith("login_required"),
  },
  {
    ...setting,
    name: `from a signed-in user, merged into ${session}: the user stays the same`,
    source: "CWE-915",
    async attack(world) {
      await signIn(world);
      const merged = await assign(
        world,
        world.victim,
        { portal: { version: 99, claims: { sub: "admin" } }, note: "x" },
        "merge",
      );
      expect(JSON.parse(merged.body)).toEqual({ sub: "amara-okafor" });
      return world.victim.visit(`${world.base}/account`);
    },
    outcome: signedIn,
  },
  {
    ...setting,
    name: `null from a visitor, into ${session}: the visitor's other data is saved`,
    source: "CWE-915",
    async attack(world) {
      await assign(world, world.attacker, { portal: null, note: "mine" });
      return world.attacker.fetch(`${world.base}/note`);
    },
    outcome: ({ body }) => void expect(body).toBe('{"note":"mine"}'),
  },
  {
    ...setting,
    name: `from a signed-in user, into ${session}: the user stays the same`,
    source: "CWE-915",
    async attack(world) {
      await signIn(world);
      await assign(world, world.victim, { ...forgeLogin(world), note: "so that it is saved" });
      return world.victim.visit(`${world.base}/account`);
    },
    outcome: signedIn,
  },
];

describeAttacks("ignores a forged login, in an app that lets users fill its session", [
  ...assignments("our session", {}),
  ...assignments("the app's own session", { app: OWN_SESSION }),
  ...assignments("the session of a router with a name", { app: OWN_SESSION, options: { name: "staff" } }),
]);

describeAttacks("keeps logins of two routers for one provider and client apart", [
  {
    name: "a user who signed in at one router is not signed in at the other, whose hooks have not run",
    source: "guide, multiple providers",
    twin: true,
    app: OWN_SESSION,
    async attack(world) {
      await world.victim.visit(`${world.url}/twin/login?returnTo=/twin/account`, { site: "same-origin" });
      expect(await world.signedInUser(world.victim, `${world.url}/twin`)).toBe("amara-okafor");
      return world.victim.fetch(`${world.base}/account`);
    },
    outcome: async ({ status }, { signedInUser, victim }) =>
      void expect([status, await signedInUser(victim)]).toEqual([401, undefined]),
  },
]);

/**
 * Signs in as this user in a browser in which the victim is signed in. The session at the provider has ended
 * before, the session of the app has not.
 */
async function signInOverSession(world: World, sub: string): Promise<Answer> {
  const { victim, base, url } = world;
  await signIn(world);
  await assign(world, victim, { note: "a draft" });
  const session = (await victim.cookies(url)).get("portal-session");
  await victim.jar.removeAllCookies();
  await victim.jar.setCookie(`portal-session=${session}; Path=/`, url);
  victim.user = { sub };
  await victim.visit(`${base}/login`, { site: "same-origin" });
  return victim.fetch(`${base}/note`);
}

describeAttacks("handles a second login in one browser", [
  {
    name: "drops the keepSessionKeys values of the first user, and revokes the first user's token",
    source: "CWE-488",
    options: { keepSessionKeys: ["note"] },
    attack: (world) => signInOverSession(world, "jonas-weber"),
    async outcome({ body }, { requestsTo, victim, signedInUser }) {
      expect([body, await signedInUser(victim)]).toEqual(["{}", "jonas-weber"]);
      expect(requestsTo("/oauth2/revoke")).toHaveLength(1);
    },
  },
  {
    name: "keeps these values for the same user, and revokes no token, which the new login may share",
    source: "guide, keepSessionKeys",
    options: { keepSessionKeys: ["note"] },
    attack: (world) => signInOverSession(world, "amara-okafor"),
    async outcome({ body }, { requestsTo, victim, signedInUser }) {
      expect([body, await signedInUser(victim)]).toEqual(['{"note":"a draft"}', "amara-okafor"]);
      expect(requestsTo("/oauth2/revoke")).toEqual([]);
    },
  },
]);

/** In an app with cookie-parser, which reads a cookie that begins with "j:" as JSON. */
const withCookieParser = (name: string, attack: Case["attack"], more: Partial<Case> = {}): Case => ({
  name,
  source: "express-session 1.19, which expects every cookie to be a text",
  app: { hasCookieParser: true },
  ...(attack && { attack }),
  outcome: rejectedWith("login_required"),
  ...more,
});
const JSON_COOKIE = { cookie: 'portal-session=j:{"a":1}' };
const jsonCookies: Case[] = [
  ...['{"a":1}', "[]", "1", "true", "null"].map((json) =>
    withCookieParser(`a session's cookie that is JSON: ${json}`, ({ attacker, base }) =>
      attacker.fetch(`${base}/account`, { headers: { cookie: `portal-session=j:${json}` } }),
    ),
  ),
  withCookieParser(
    "a login's cookie that is JSON",
    async ({ victim, base, url }) => {
      const callback = await victim.loginUntilCallback(`${base}/login`, { site: "same-origin" });
      const [login] = (await victim.jar.getCookies(url)).filter(({ key }) => key.startsWith("portal-login."));
      return victim.navigate(callback, { headers: { cookie: `${login?.key}=j:{}` } });
    },
    { outcome: loginNotFound },
  ),
  { ...withCookieParser("a valid login still works", signIn), outcome: signedIn },
];
describeAttacks("ignores cookies that cookie-parser reads as JSON", jsonCookies);
describeAttacks("ignores cookies that cookie-parser reads as JSON, on Express 4", onExpress4(jsonCookies));

const requestedUrls: Case[] = [
  {
    name: "a returnTo that cannot become a text, while the provider is unreachable",
    source: "CWE-248: Express 4 does not catch a rejection of login()",
    async attack({ attacker, base, provider }) {
      provider.goDown();
      const answer = await attacker.navigate(`${base}/login-to?to[toString]=x`);
      await provider.comeUp();
      return answer;
    },
    outcome: rejectedWith("portal_unreachable"),
  },
];
describeAttacks("handles login() with values of a query", requestedUrls);
describeAttacks("handles login() with values of a query, on Express 4", onExpress4(requestedUrls));

const host = useHost();

test("ignores a cookie that is JSON while the first connection to the store opens", async () => {
  const silent = createServer();
  const { port } = new URL(await serve(silent));
  const connected = once(silent, "connection");
  const { attacker, base } = await startWorld(host(), {
    options: { store: `redis://127.0.0.1:${port}`, secret: SESSION_SECRET },
    app: { hasCookieParser: true },
  });
  await connected;
  expect((await attacker.fetch(`${base}/account`, { headers: JSON_COOKIE })).status).toBe(401);
  await host().ping();
});
