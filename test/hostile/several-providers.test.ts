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

// Two routers in one app, each with a provider of its own. The attacker controls the provider of the other
// router. The hardest case: both routers have the same client_id, client_secret and SESSION_SECRET.

const OWN_SESSION = { ownSession: { secret: "a-secret-of-the-apps-own-session" } } as const;

/** How the other router is mounted. */
const MOUNTED: readonly NonNullable<Setting["otherIs"]>[] = ["at /other", "staff", "a tenant"];

const describeEach = (title: string, table: readonly Case[]): void => {
  for (const otherIs of MOUNTED)
    describeAttacks(
      `${title}: the other is ${otherIs}`,
      table.map((testCase) => ({ other: {}, ...testCase, otherIs })),
    );
};

/** Returns the URL of a login at the other router that ends on its guarded page. */
const loginAtOther = ({ otherBase }: World): string =>
  `${otherBase}/login?returnTo=${new URL(`${otherBase}/account`).pathname}`;

/** Expects that the app has sent no code to either provider. */
const noCodeSent: Outcome = (_answer, { provider, other }) =>
  void expect(
    [...provider.requests, ...other.requests].filter(({ path }) => path === "/oauth2/token"),
  ).toEqual([]);

const bothFull = { other: { document: "full" }, provider: { document: "full" } } as const;

const mixUps: readonly Case[] = [
  {
    name: "the attacker's provider redirects the victim to the honest one, with the attacker's state",
    source: "RFC 9700, section 4.4.1",
    async attack({ victim, otherBase, base, provider }) {
      const { headers } = await victim.navigate(`${otherBase}/login`);
      const { search } = new URL(headers.location ?? "");
      const honest = new URL(`${provider.issuer}/oauth2/authorize${search}`);
      honest.searchParams.set("redirect_uri", `${base}/callback`);
      return victim.visit(await victim.loginUntilCallback(honest), { site: "cross-site" });
    },
    outcome: allOf(loginNotFound, noCodeSent),
  },
  {
    name: "the honest provider's code at the callback of the attacker's provider",
    source: "RFC 9700, section 4.4.2; RFC 9207, section 2.4",
    async attack({ victim, otherBase, base }) {
      const { headers } = await victim.navigate(`${otherBase}/login`);
      const state = readState(headers.location);
      const honest = await victim.loginUntilCallback(`${base}/login`);
      honest.searchParams.set("state", state);
      return victim.visit(`${otherBase}/callback${honest.search}`, { site: "cross-site" });
    },
    outcome: allOf(rejectedWith("response_issuer_mismatch"), noCodeSent),
  },
  {
    name: "the honest provider's code without the announced iss at that callback",
    source: "RFC 9207, section 2.4",
    async attack({ victim, otherBase, base }) {
      const { headers } = await victim.navigate(`${otherBase}/login`);
      const state = readState(headers.location);
      const honest = await victim.loginUntilCallback(`${base}/login`);
      honest.searchParams.set("state", state);
      honest.searchParams.delete("iss");
      return victim.visit(`${otherBase}/callback${honest.search}`, { site: "cross-site" });
    },
    outcome: allOf(rejectedWith("response_issuer_mismatch"), noCodeSent),
  },
  {
    name: "an ID token of the other provider",
    source: "RFC 9700, section 4.4",
    async attack(world) {
      await world.attacker.visit(loginAtOther(world));
      const otherToken = findIdToken(world.other);
      world.provider.nextIdToken({ forge: () => otherToken });
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
    app: OWN_SESSION, // routers without names share one session
    async attack(world) {
      await world.victim.visit(loginAtOther(world));
      expect(await world.signedInUser(world.victim, world.otherBase)).toBe("amara-okafor");
      return world.victim.fetch(`${world.base}/account`);
    },
    outcome: async ({ status }, { signedInUser, victim }) =>
      void expect([status, await signedInUser(victim)]).toEqual([401, undefined]),
  },
  {
    name: "a logout at one router keeps the login at the other, and sends no token to its provider",
    source: "RFC 9700, section 4.4",
    app: OWN_SESSION,
    async attack(world) {
      await signIn(world);
      return world.victim.visit(`${world.otherBase}/logout`, { site: "same-origin" });
    },
    async outcome(_answer, { other, provider, signedInUser, victim }) {
      const sent = other.requests.map(({ url, body }) => url + body).join();
      expect(provider.issued.filter((token) => sent.includes(token))).toEqual([]);
      expect(await signedInUser(victim)).toBe("amara-okafor");
    },
  },
];
describeEach(
  "prevents mix-up",
  mixUps.map((testCase) => ({ ...bothFull, ...testCase })),
);

/** Sets cookies for this URL in the victim's browser. */
async function setCookies(
  { victim }: World,
  url: string,
  cookies: ReadonlyMap<string, string>,
): Promise<void> {
  for (const [name, value] of cookies) await victim.jar.setCookie(`${name}=${value}; Path=/`, url);
}

const redirectUriOf = (base: string) => `${base}/callback`;

/** Returns the name of the first cookie in which a router searches for its logins. */
function loginCookieName(prefix: string, issuer: string, base: string): string {
  const router = JSON.stringify([issuer, CLIENT_ID, redirectUriOf(base)]);
  return `${prefix}.${createHash("sha256").update(router).digest("base64url").slice(0, 8)}0`;
}

const loginPrefix = (otherIs: Setting["otherIs"]) =>
  otherIs === "staff" ? "portal-login.staff" : "portal-login";
const sessionName = (otherIs: Setting["otherIs"]) =>
  otherIs === "staff" ? "portal-session.staff" : "portal-session";

/** Runs a login of the victim up to the callback. Returns the query of the callback, and the login cookie. */
async function loginUntilCallback(
  { victim }: World,
  base: string,
  { issuer }: LocalProvider,
  prefix: string,
) {
  const callback = await victim.loginUntilCallback(`${base}/login`);
  const cookies = [...(await victim.cookies(base))].filter(([name]) => name.startsWith("portal-login"));
  const [[name = "", value = ""] = [], ...others] = cookies;
  expect([name.slice(0, -1), others]).toEqual([loginCookieName(prefix, issuer, base).slice(0, -1), []]);
  return { search: callback.search, value };
}

/** Opens a guard of one router with the session cookie of the other router, under another name. */
async function useSessionAt(
  world: World,
  from: string,
  to: string,
  [fromName, toName]: readonly [string, string],
): Promise<Answer> {
  const value = (await world.victim.cookies(from)).get(fromName);
  expect(value).toBeDefined();
  await setCookies(world, to, new Map([[toName, String(value)]]));
  return world.victim.fetch(`${to}/account`);
}

for (const otherIs of MOUNTED) {
  const setting = { other: {}, otherIs } as const;
  describeAttacks(`keeps logins and sessions of two routers apart: the other is ${otherIs}`, [
    {
      ...setting,
      name: "a login of the other router, with its response at this callback",
      source: "RFC 9700, section 4.4",
      async attack(world) {
        const { search } = await loginUntilCallback(
          world,
          world.otherBase,
          world.other,
          loginPrefix(otherIs),
        );
        await setCookies(world, world.base, await world.victim.cookies(world.otherBase));
        return world.victim.visit(`${world.base}/callback${search}`, { site: "cross-site" });
      },
      outcome: allOf(loginNotFound, noSessionStarted, noCodeSent),
    },
    {
      ...setting,
      name: "a login of the other router, with its cookie under the name of this router",
      source: "RFC 9700, section 4.4",
      async attack(world) {
        const { base, provider, otherBase } = world;
        const { search, value } = await loginUntilCallback(
          world,
          otherBase,
          world.other,
          loginPrefix(otherIs),
        );
        await setCookies(
          world,
          base,
          new Map([[loginCookieName("portal-login", provider.issuer, base), value]]),
        );
        return world.victim.visit(`${base}/callback${search}`, { site: "cross-site" });
      },
      outcome: allOf(loginNotFound, noSessionStarted, noCodeSent),
    },
    {
      ...setting,
      name: "a login of this router at the other callback, with its cookie under the other name",
      source: "RFC 9700, section 4.4",
      async attack(world) {
        const { base, other, otherBase } = world;
        const { search, value } = await loginUntilCallback(world, base, world.provider, "portal-login");
        const name = loginCookieName(loginPrefix(otherIs), other.issuer, otherBase);
        await setCookies(world, otherBase, new Map([[name, value]]));
        return world.victim.visit(`${otherBase}/callback${search}`, { site: "cross-site" });
      },
      outcome: allOf(loginNotFound, noSessionStarted, noCodeSent),
    },
    {
      ...setting,
      name: "a session of the other router, with its cookie under the name of this router",
      source: "RFC 9700, section 4.4; CWE-384",
      async attack(world) {
        await world.victim.visit(loginAtOther(world));
        expect(await world.signedInUser(world.victim, world.otherBase)).toBe("amara-okafor");
        return useSessionAt(world, world.otherBase, world.base, [sessionName(otherIs), "portal-session"]);
      },
      outcome: async ({ status }, { signedInUser, victim }) =>
        void expect([status, await signedInUser(victim)]).toEqual([401, undefined]),
    },
    {
      ...setting,
      name: "a session of this router, with its cookie under the name of the other router",
      source: "RFC 9700, section 4.4; CWE-384",
      async attack(world) {
        await signIn(world);
        return useSessionAt(world, world.base, world.otherBase, ["portal-session", sessionName(otherIs)]);
      },
      outcome: async ({ status }, { signedInUser, victim, otherBase }) =>
        void expect([status, await signedInUser(victim, otherBase)]).toEqual([401, undefined]),
    },
    {
      ...setting,
      name: "a logout at the other router, forged or not, ends no login of this router",
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
      ...setting,
      name: "an unreachable or faulty provider of the other router does not affect this router",
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

/** Sends a request with any Host header, as any HTTP client can. */
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

describeAttacks("rejects a host without a router", [
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
    name: "X-Forwarded-Host is ignored if no proxy is trusted",
    source: "OWASP, Host header injection",
    attack: ({ attacker, base }) =>
      attacker.navigate(`${base}/account`, { headers: { "x-forwarded-host": "localhost" } }),
    outcome: ({ headers }, { provider }) =>
      void expect(headers.location).toMatch(new RegExp(`^${provider.issuer}/`)),
  },
]);
