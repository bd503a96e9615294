import { createHash } from "node:crypto";
import { expect } from "vitest";
import type { LocalProvider } from "../../lib/testing/provider/local-provider.js";
import type { Answer } from "../support/browser.js";
import { CLIENT_ID } from "../support/world.js";
import {
  type Case,
  describeAttacks,
  type Outcome,
  readState,
  type Setting,
  signIn,
  type World,
} from "./support/attack.js";
import { findIdToken } from "./support/jwt.js";
import { allOf, loginNotFound, noSessionStarted, rejectedWith, signedIn } from "./support/outcomes.js";

// Several routers in one app, each with a provider of its own. The attacker controls the other's. The hardest
// case on purpose: both have the same client_id, client_secret and SESSION_SECRET.

const APPS_SESSION = { ownSession: { secret: "a-secret-of-the-apps-own-session" } } as const;

/** How the two routers are mounted in one app. */
const TOGETHER: readonly NonNullable<Setting["otherIs"]>[] = ["at /other", "staff", "a tenant"];

const eachWay = (title: string, table: readonly Case[], ways = TOGETHER): void => {
  for (const otherIs of ways)
    describeAttacks(
      `${title}: the other is ${otherIs}`,
      table.map((attack) => ({ other: {}, ...attack, otherIs })),
    );
};

/** Logs in at the other router and ends on its guarded page. */
const loginAtOther = ({ otherBase }: World): string =>
  `${otherBase}/login?returnTo=${new URL(`${otherBase}/account`).pathname}`;

/** Expects that neither provider has received a code. */
const neitherAsked: Outcome = (_answer, { provider, other }) =>
  void expect(
    [...provider.requests, ...other.requests].filter(({ path }) => path === "/oauth2/token"),
  ).toEqual([]);

const bothFull = { other: { document: "full" }, provider: { document: "full" } } as const;

const mixUps: readonly Case[] = [
  {
    name: "the attacker's provider sends the victim on to the honest one, with the attacker's state",
    source: "RFC 9700, section 4.4.1",
    async attack({ victim, otherBase, base, provider }) {
      const begun = await victim.navigate(`${otherBase}/login`);
      const at = new URL(begun.headers.location ?? "");
      const passedOn = new URL(`${provider.issuer}/oauth2/authorize${at.search}`);
      passedOn.searchParams.set("redirect_uri", `${base}/callback`);
      return victim.visit(await victim.loginUntilCallback(passedOn), { site: "cross-site" });
    },
    outcome: allOf(loginNotFound, neitherAsked),
  },
  {
    name: "the honest provider's code at the callback of the attacker's",
    source: "RFC 9700, section 4.4.2; RFC 9207, section 2.4",
    async attack({ victim, otherBase, base }) {
      const begun = await victim.navigate(`${otherBase}/login`);
      const state = readState(begun.headers.location);
      const honest = await victim.loginUntilCallback(`${base}/login`);
      honest.searchParams.set("state", state);
      return victim.visit(`${otherBase}/callback${honest.search}`, { site: "cross-site" });
    },
    outcome: allOf(rejectedWith("response_issuer_mismatch"), neitherAsked),
  },
  {
    name: "the same without the iss that was announced",
    source: "RFC 9207, section 2.4",
    async attack({ victim, otherBase, base }) {
      const begun = await victim.navigate(`${otherBase}/login`);
      const state = readState(begun.headers.location);
      const honest = await victim.loginUntilCallback(`${base}/login`);
      honest.searchParams.set("state", state);
      honest.searchParams.delete("iss");
      return victim.visit(`${otherBase}/callback${honest.search}`, { site: "cross-site" });
    },
    outcome: allOf(rejectedWith("response_issuer_mismatch"), neitherAsked),
  },
  {
    name: "an ID token of the other provider",
    source: "RFC 9700, section 4.4",
    async attack(world) {
      await world.attacker.visit(loginAtOther(world));
      const theirs = findIdToken(world.other);
      world.provider.nextIdToken({ forge: () => theirs });
      return signIn(world);
    },
    outcome: async (answer, { signedInUser, victim }) => {
      expect([answer.status, await signedInUser(victim)]).toEqual([400, undefined]);
      expect(answer.body).toContain("id_token_invalid");
    },
  },
  {
    name: "a session counts only at the router of the provider that signed the user in",
    source: "guide, req.portal",
    app: APPS_SESSION, // one session for both, if they have no names
    async attack(world) {
      await world.victim.visit(loginAtOther(world));
      expect(await world.signedInUser(world.victim, world.otherBase)).toBe("amara-okafor");
      return world.victim.fetch(`${world.base}/account`);
    },
    outcome: async ({ status }, { signedInUser, victim }) =>
      void expect([status, await signedInUser(victim)]).toEqual([401, undefined]),
  },
  {
    name: "one router's logout ends no login of the other provider, and sends it no request",
    source: "RFC 9700, section 4.4",
    app: APPS_SESSION,
    async attack(world) {
      await signIn(world);
      return world.victim.visit(`${world.otherBase}/logout`, { site: "same-origin" });
    },
    async outcome(_answer, { other, provider, signedInUser, victim }) {
      const told = other.requests.map(({ url, body }) => url + body).join();
      expect(provider.issued.filter((token) => told.includes(token))).toEqual([]);
      expect(await signedInUser(victim)).toBe("amara-okafor");
    },
  },
];
eachWay(
  "mix-up",
  mixUps.map((attack) => ({ ...bothFull, ...attack })),
);

/** Copies the browser's cookies of one router to the other one, under the names that count there. */
async function plant({ victim }: World, at: string, cookies: ReadonlyMap<string, string>): Promise<void> {
  for (const [name, value] of cookies) await victim.jar.setCookie(`${name}=${value}; Path=/`, at);
}

const redirectUriOf = (base: string) => `${base}/callback`;

/** The first slot in which a router searches for its logins. */
function loginCookieName(prefix: string, issuer: string, base: string): string {
  const belongsTo = JSON.stringify([issuer, CLIENT_ID, redirectUriOf(base)]);
  return `${prefix}.${createHash("sha256").update(belongsTo).digest("base64url").slice(0, 8)}0`;
}

const loginPrefix = (otherIs: Setting["otherIs"]) =>
  otherIs === "staff" ? "portal-login.staff" : "portal-login";
const sessionName = (otherIs: Setting["otherIs"]) =>
  otherIs === "staff" ? "portal-session.staff" : "portal-session";

/** Starts a login in the victim's browser, up to the provider. Returns its callback URL and its cookie. */
async function waiting({ victim }: World, base: string, { issuer }: LocalProvider, prefix: string) {
  const callback = await victim.loginUntilCallback(`${base}/login`);
  const cookies = [...(await victim.cookies(base))].filter(([name]) => name.startsWith("portal-login"));
  const [[name = "", value = ""] = [], ...others] = cookies;
  expect([name.slice(0, -1), others]).toEqual([loginCookieName(prefix, issuer, base).slice(0, -1), []]);
  return { search: callback.search, value };
}

/** Calls the other router's guard, with this browser's session cookie of the one, under the other's name. */
async function bringSession(
  world: World,
  from: string,
  to: string,
  names: readonly [string, string],
): Promise<Answer> {
  const value = (await world.victim.cookies(from)).get(names[0]);
  expect(value).toBeDefined();
  await plant(world, to, new Map([[names[1], String(value)]]));
  return world.victim.fetch(`${to}/account`);
}

for (const otherIs of TOGETHER) {
  const kind = { other: {}, otherIs } as const;
  describeAttacks(`ignores a login or session of the other router, which is ${otherIs}`, [
    {
      ...kind,
      name: "a login of the other's, with its response here",
      source: "RFC 9700, section 4.4",
      async attack(world) {
        const { search } = await waiting(world, world.otherBase, world.other, loginPrefix(otherIs));
        await plant(world, world.base, await world.victim.cookies(world.otherBase));
        return world.victim.visit(`${world.base}/callback${search}`, { site: "cross-site" });
      },
      outcome: allOf(loginNotFound, noSessionStarted, neitherAsked),
    },
    {
      ...kind,
      name: "the same, its cookie under our name",
      source: "RFC 9700, section 4.4",
      async attack(world) {
        const { base, provider, otherBase } = world;
        const { search, value } = await waiting(world, otherBase, world.other, loginPrefix(otherIs));
        await plant(world, base, new Map([[loginCookieName("portal-login", provider.issuer, base), value]]));
        return world.victim.visit(`${base}/callback${search}`, { site: "cross-site" });
      },
      outcome: allOf(loginNotFound, noSessionStarted, neitherAsked),
    },
    {
      ...kind,
      name: "a login of ours, with its response there, its cookie under the other's name",
      source: "RFC 9700, section 4.4",
      async attack(world) {
        const { base, other, otherBase } = world;
        const { search, value } = await waiting(world, base, world.provider, "portal-login");
        const name = loginCookieName(loginPrefix(otherIs), other.issuer, otherBase);
        await plant(world, otherBase, new Map([[name, value]]));
        return world.victim.visit(`${otherBase}/callback${search}`, { site: "cross-site" });
      },
      outcome: allOf(loginNotFound, noSessionStarted, neitherAsked),
    },
    {
      ...kind,
      name: "a session of the other's, its cookie under our name",
      source: "RFC 9700, section 4.4; CWE-384",
      async attack(world) {
        await world.victim.visit(loginAtOther(world));
        expect(await world.signedInUser(world.victim, world.otherBase)).toBe("amara-okafor");
        return bringSession(world, world.otherBase, world.base, [sessionName(otherIs), "portal-session"]);
      },
      outcome: async ({ status }, { signedInUser, victim }) =>
        void expect([status, await signedInUser(victim)]).toEqual([401, undefined]),
    },
    {
      ...kind,
      name: "a session of ours, its cookie under the other's name",
      source: "RFC 9700, section 4.4; CWE-384",
      async attack(world) {
        await signIn(world);
        return bringSession(world, world.base, world.otherBase, ["portal-session", sessionName(otherIs)]);
      },
      outcome: async ({ status }, { signedInUser, victim, otherBase }) =>
        void expect([status, await signedInUser(victim, otherBase)]).toEqual([401, undefined]),
    },
    {
      ...kind,
      name: "the other's logout, forged or not, ends no login of ours",
      source: "RFC 9700, section 4.4; OWASP CSRF",
      async attack(world) {
        const answer = await signIn(world);
        for (const site of ["cross-site", "same-origin"] as const)
          await world.victim.navigate(`${world.otherBase}/logout`, { site });
        expect(world.requestsTo("/oauth2/revoke")).toEqual([]);
        return answer;
      },
      outcome: signedIn,
    },
    {
      ...kind,
      name: "a provider of the other's that is unreachable or faulty does not affect our users",
      source: "guide, multiple providers",
      async attack(world) {
        world.other.alterDiscovery((document) => ({ ...document, issuer: world.provider.issuer }));
        expect((await world.victim.navigate(`${world.otherBase}/login`)).body).toContain("issuer_mismatch");
        world.other.goDown();
        return signIn(world);
      },
      outcome: signedIn,
    },
  ]);
}

/** Sends a request with a Host of its own choice, as any HTTP client can. */
const asHost = (host: string, path: string, more: Record<string, string> = {}): Case => ({
  other: {},
  otherIs: "a tenant",
  name: `${path} for the host ${JSON.stringify(host)}`,
  source: "OWASP, Host header injection; CWE-1321",
  attack: ({ attacker, url }) => attacker.navigate(url + path, { headers: { host, ...more } }),
  outcome({ status, body, headers }) {
    expect([status, headers["set-cookie"], headers.location]).toEqual([404, undefined, undefined]);
    expect(body).toContain("tenant_unknown");
    expect(body).not.toContain(host);
  },
});

describeAttacks("rejects a host for which no router is chosen", [
  ...["/", "/account", "/login", "/logout", "/callback?code=x&state=y", "/portal-inspector/"].map((path) =>
    asHost("evil.example", path),
  ),
  ...["__proto__", "constructor", "tostring", "localhost.evil.example", "127.0.0.1.evil.example"].map(
    (host) => asHost(host, "/account"),
  ),
  asHost("evil.example", "/account", { "x-forwarded-host": "localhost" }),
  {
    other: {},
    otherIs: "a tenant",
    name: "ignores X-Forwarded-Host if no proxy is trusted",
    source: "OWASP, Host header injection",
    attack: ({ attacker, base }) =>
      attacker.navigate(`${base}/account`, { headers: { "x-forwarded-host": "localhost" } }),
    outcome: ({ headers }, { provider }) =>
      void expect(headers.location).toMatch(new RegExp(`^${provider.issuer}/`)),
  },
]);
