import { expect } from "vitest";
import type { IdTokenChanges } from "../../lib/testing/index.js";
import {
  type Case,
  describeAttacks,
  describeAttacksOnCluster,
  type Outcome,
  signIn,
  type World,
} from "./support/attack.js";

// Guards that require more than a login, at providers that do not deliver it. Silent logins, and logins that
// other sites start. On one process and on four.

const strong = {
  provider: { document: "full", acrValues: ["pwd", "mfa"] },
  options: { scope: "openid profile email" },
} as const;

const RFC9470 = "RFC 9470, section 5; OpenID Connect Core 1.0, section 3.1.3.7";
const VICTIM = "amara-okafor";
const nowSeconds = () => Math.floor(Date.now() / 1000);

/** Expects a challenge, the same earlier login, and no redirect loop: at most one more login has run. */
const challenged: Outcome = async ({ status, body }, { signedInUser, victim, requestsTo }) => {
  expect([status, body.includes("insufficient_user_authentication")]).toEqual([401, true]);
  expect(await signedInUser(victim)).toBe(VICTIM);
  expect(requestsTo("/oauth2/token").length).toBeLessThanOrEqual(3);
};

const openAfterLogin = (path: string) => async (world: World) => {
  await signIn(world);
  return world.victim.visit(world.base + path);
};

/** Signs the victim in, and then opens a guarded page with these changes in the next ID token. */
const weakLogin = (name: string, path: "/strong" | "/young", changes: IdTokenChanges): Case => ({
  ...strong,
  name,
  source: RFC9470,
  async attack(world) {
    if (path === "/young") world.provider.nextIdToken({ claims: { auth_time: nowSeconds() - 3600 } });
    await signIn(world);
    world.provider.nextIdToken(changes);
    return world.victim.visit(world.base + path);
  },
  outcome: challenged,
});

const stepUps: readonly Case[] = [
  weakLogin("a provider that returns an acr of its choice", "/strong", { claims: { acr: "pwd" } }),
  weakLogin("a provider that returns no acr", "/strong", { claims: { acr: undefined } }),
  weakLogin("an acr in a list", "/strong", { claims: { acr: ["mfa"] } }),
  weakLogin("an acr that is an object", "/strong", { claims: { acr: { toString: "mfa" } } }),
  weakLogin("an acr with a space after it", "/strong", { claims: { acr: "mfa " } }),
  weakLogin("an acr in capitals", "/strong", { claims: { acr: "MFA" } }),
  weakLogin("two acrs in one text", "/strong", { claims: { acr: "pwd mfa" } }),
  weakLogin("a provider that reports a login of an hour ago", "/young", {
    claims: { auth_time: nowSeconds() - 3600 },
  }),
  weakLogin("a provider that does not report the time of the login", "/young", {
    claims: { auth_time: undefined },
  }),
  {
    ...strong,
    name: "an auth_time in the far future",
    source: RFC9470,
    async attack(world) {
      world.provider.nextIdToken({ claims: { auth_time: nowSeconds() - 3600 } });
      await signIn(world);
      world.provider.nextIdToken({ claims: { auth_time: 9e15 } });
      return world.victim.visit(`${world.base}/young`);
    },
    async outcome({ status, body }, { signedInUser, victim }) {
      expect([status, body.includes("id_token_invalid"), await signedInUser(victim)]).toEqual([
        400,
        true,
        VICTIM,
      ]);
    },
  },
  {
    ...strong,
    name: "a stronger login is accepted",
    source: RFC9470,
    attack: openAfterLogin("/strong"),
    outcome: ({ status, body }) => void expect([status, body]).toEqual([200, "in"]),
  },
  {
    ...strong,
    name: "the response to a weaker login with the state of the stronger one",
    source: "RFC 9700, section 4.5",
    async attack(world) {
      const { victim, base } = world;
      await signIn(world);
      const weak = await victim.loginUntilCallback(`${base}/login`, { site: "same-origin" });
      const { headers } = await victim.navigate(`${base}/strong`);
      const state = new URL(headers.location ?? "").searchParams.get("state") ?? "";
      weak.searchParams.set("state", state);
      return victim.visit(weak, { site: "cross-site" });
    },
    async outcome({ status }, { victim, base }) {
      expect(status).toBeGreaterThanOrEqual(400);
      expect((await victim.fetch(`${base}/strong`)).status).toBe(401);
    },
  },
  {
    ...strong,
    name: "a weaker acr and a longer max_age in the URL of the login weaken no guard",
    source: RFC9470,
    async attack({ victim, base }) {
      await victim.visit(`${base}/login?acr_values=pwd&max_age=999999&returnTo=/strong`, {
        site: "same-origin",
      });
      return victim.fetch(`${base}/strong`);
    },
    outcome: async ({ status }, { victim, base }) => {
      expect(status).toBe(200); // the guard itself has requested the stronger login
      expect((await victim.fetch(`${base}/young`)).status).toBe(200);
    },
  },
  ...[
    "acr_values=%0d%0aSet-Cookie:x=y",
    'acr_values="',
    "max_age=-1",
    "max_age=NaN",
    "max_age=1&max_age=2",
    "acr_values[]=a",
  ].map(
    (query): Case => ({
      ...strong,
      name: `a login with the query ?${query}`,
      source: "CWE-113; CWE-20",
      attack: ({ victim, base }) => victim.visit(`${base}/login?${query}`, { site: "same-origin" }),
      outcome: async ({ status }, { signedInUser, victim }) =>
        void expect([status < 500, await signedInUser(victim)]).toEqual([true, VICTIM]),
    }),
  ),
];

/** Signs the victim in with these claims, and opens a page whose guard requires others. */
const withoutRight = (name: string, path: string, claims: Record<string, unknown>, code: string): Case => ({
  ...strong,
  name,
  source: "RFC 6750, section 3.1; CWE-862",
  async attack(world) {
    world.provider.nextIdToken({ claims });
    await signIn(world);
    return world.victim.fetch(world.base + path);
  },
  async outcome({ status, body, headers }, { victim, base }) {
    expect([status, JSON.parse(body).code]).toEqual([403, code]);
    if (code === "insufficient_scope")
      expect(headers["www-authenticate"]).toContain('error="insufficient_scope"');
    const page = await victim.visit(base + path);
    expect([page.status, page.body.includes(code)]).toEqual([403, true]); // and no redirect loop
  },
});

const rights: readonly Case[] = [
  withoutRight("no role", "/admins", {}, "not_permitted"),
  withoutRight("another role", "/admins", { roles: ["user"] }, "not_permitted"),
  withoutRight(
    "a role that begins with the required one",
    "/admins",
    { roles: ["administrator"] },
    "not_permitted",
  ),
  withoutRight(
    "roles that are an object with the role as a member",
    "/admins",
    { roles: { admin: true } },
    "not_permitted",
  ),
  withoutRight("roles in a nested list", "/admins", { roles: [["admin"]] }, "not_permitted"),
  withoutRight("roles that are true", "/admins", { roles: true }, "not_permitted"),
  withoutRight(
    "roles in __proto__",
    "/admins",
    JSON.parse('{"__proto__":{"roles":["admin"]}}'),
    "not_permitted",
  ),
  withoutRight("another department", "/sales", { department: "it", level: 2 }, "not_permitted"),
  withoutRight("one of two required claims", "/sales", { department: "sales" }, "not_permitted"),
  withoutRight("a text instead of a number", "/sales", { department: "sales", level: "2" }, "not_permitted"),
  withoutRight(
    "a department that is an object",
    "/sales",
    { department: { toString: "sales" }, level: 2 },
    "not_permitted",
  ),
  withoutRight("a scope that was not granted", "/granted", {}, "insufficient_scope"),
  {
    ...strong,
    name: "a token response whose scope is a list of lists",
    source: "RFC 6749, section 5.1",
    async attack(world) {
      world.provider.nextTokenResponse({ scope: [["orders"]] });
      await signIn(world);
      return world.victim.fetch(`${world.base}/granted`);
    },
    outcome: ({ status }) => void expect(status).toBeGreaterThanOrEqual(400),
  },
];

const silent = {
  provider: { document: "full" },
  options: { scope: "openid", silentLogin: true, thirdPartyLogin: true },
} as const;

const CORE4 = "OpenID Connect Core 1.0, section 4";

const unrequestedLogins: readonly Case[] = [
  ...["login_required", "consent_required", "access_denied", "server_error", "no_such_error"].map(
    (error): Case => ({
      ...silent,
      name: `a silent login ends on the page if the provider responds with ${error}`,
      source: "OpenID Connect Core 1.0, section 3.1.2.6",
      async attack({ victim, url, provider }) {
        await victim.visit(`${url}/`);
        provider.answerNext("/oauth2/authorize", (req, res) => {
          const { searchParams } = new URL(req.url ?? "", provider.issuer);
          const callback = new URL(searchParams.get("redirect_uri") ?? "");
          const state = searchParams.get("state") ?? "";
          for (const [name, value] of Object.entries({ error, state, iss: provider.issuer }))
            callback.searchParams.set(name, value);
          res.writeHead(302, { location: callback.href }).end();
        });
        return victim.visit(`${url}/?page=1`);
      },
      outcome: ({ url, status, body }) =>
        void expect([new URL(url).search, status, body]).toEqual(["?page=1", 200, "home"]),
    }),
  ),
  {
    ...silent,
    name: "a silent login that never ends is not started again",
    source: "guide, silent login",
    async attack({ victim, url, requestsTo }) {
      await victim.visit(`${url}/`);
      await victim.navigate(`${url}/`); // the browser is redirected to the provider, and never arrives
      const page = await victim.visit(`${url}/`);
      expect(requestsTo("/oauth2/authorize")).toEqual([]);
      return page;
    },
    outcome: ({ status, body }) => void expect([status, body]).toEqual([200, "home"]),
  },
  ...[
    "https://evil.example",
    "//evil.example",
    "/\\evil.example",
    "javascript:alert(1)",
    "http://127.0.0.1@evil.example/",
  ].map(
    (target_link_uri): Case => ({
      ...silent,
      name: `a login that an attacker's page starts, to ${target_link_uri}, ends on this site`,
      source: CORE4,
      async attack({ victim, base, provider }) {
        const query = new URLSearchParams({ iss: provider.issuer, target_link_uri });
        return victim.visit(`${base}/login?${query}`, { site: "cross-site" });
      },
      outcome: (answer, { url }) => void expect(new URL(answer.url).origin).toBe(url),
    }),
  ),
  ...(
    [
      ["with another issuer", { iss: "https://another.example" }],
      ["with an issuer that is a list", { "iss[]": "x" }],
      ["with a login_hint of 5,000 characters", { login_hint: "x".repeat(5000) }],
    ] as const
  ).map(
    ([how, fields]): Case => ({
      ...silent,
      name: `a login that an attacker's form starts, ${how}, is rejected`,
      source: CORE4,
      attack: ({ victim, base, provider }) =>
        victim.visit(`${base}/login`, {
          method: "POST",
          site: "cross-site",
          form: { iss: provider.issuer, ...fields },
        }),
      async outcome({ status, body }, { signedInUser, victim }) {
        if ("iss[]" in fields) return; // next to a valid iss it is ignored
        expect([status, body.includes("login_initiation_invalid"), await signedInUser(victim)]).toEqual([
          400,
          true,
          undefined,
        ]);
      },
    }),
  ),
  {
    ...silent,
    name: "a login that an attacker's page starts signs no user out",
    source: CORE4,
    async attack(world) {
      await signIn(world);
      return world.victim.navigate(`${world.base}/login`, {
        method: "POST",
        site: "cross-site",
        form: { iss: world.provider.issuer },
      });
    },
    outcome: async ({ status }, { signedInUser, victim }) =>
      void expect([status, await signedInUser(victim)]).toEqual([303, VICTIM]),
  },
];

for (const run of [describeAttacks, describeAttacksOnCluster]) {
  run("admits only a login that is as strong or recent as required", stepUps);
  run("admits only users with the required rights", rights);
  run("limits logins that the user has not started", unrequestedLogins);
}
