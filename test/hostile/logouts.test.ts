import { decodeJwt } from "jose";
import { expect } from "vitest";
import type { SessionInfo } from "../../lib/index.js";
import type { IdTokenChanges, LogoutSubject } from "../../lib/testing/index.js";
import type { LocalProvider } from "../../lib/testing/provider/local-provider.js";
import { CLIENT_SECRET } from "../support/world.js";
import {
  CANARY,
  type Case,
  describeAttacks,
  describeAttacksOnCluster,
  type Outcome,
  signIn,
  type World,
} from "./support/attack.js";
import { Client } from "./support/client.js";
import {
  createAttackerKey,
  findIdToken,
  hs256,
  rs256,
  signingInput,
  withExtraMembers,
  withHeader,
} from "./support/jwt.js";

// Logouts that the user did not request: forged tokens and frames, other users' sessions, and logouts during
// other requests. On one process and on four.

const VICTIM = "amara-okafor";
const BACK = "OpenID Connect Back-Channel Logout 1.0, section 2.6";
const RFC8725 = "RFC 8725";

const bothChannels = {
  provider: { document: "full" },
  options: { scope: "openid profile email", backchannelLogout: true, frontchannelLogout: true },
} as const;

const postLogoutToken = ({ base, attacker }: World, logout_token: string, at = base) =>
  attacker.request(`${at}/backchannel-logout`, { method: "POST", form: { logout_token } });

const frameLogout = ({ base, attacker }: World, query: Record<string, string>, browser: Client = attacker) =>
  browser.navigate(`${base}/frontchannel-logout?${new URLSearchParams(query)}`, {
    site: "cross-site",
    headers: { "sec-fetch-dest": "iframe" },
  });

const tokenRejected: Outcome = async ({ status, body, headers }, { signedInUser, victim }) => {
  expect([status, headers["cache-control"]]).toEqual([400, "no-store"]);
  expect(JSON.parse(body).error).toBe("invalid_request");
  expect(await signedInUser(victim)).toBe(VICTIM);
};

/** Posts a logout token for the victim that is wrong in one way. */
const forged = (
  name: string,
  changes: IdTokenChanges | ((provider: LocalProvider) => IdTokenChanges),
  source = BACK,
): Case => ({
  ...bothChannels,
  name,
  source,
  async attack(world) {
    await signIn(world);
    const { provider } = world;
    return postLogoutToken(
      world,
      provider.logoutToken({ sub: VICTIM }, typeof changes === "function" ? changes(provider) : changes),
    );
  },
  outcome: tokenRejected,
});

const evil = createAttackerKey();
const EVENT = "http://schemas.openid.net/event/backchannel-logout";
const now = () => Math.floor(Date.now() / 1000);
const nestedList = (levels: number): unknown => JSON.parse(`${"[".repeat(levels)}${"]".repeat(levels)}`);

const tokens: readonly Case[] = [
  forged(
    "signed by an attacker's key that the header contains",
    { forge: rs256(evil.privateKey, { jwk: evil.jwk }) },
    RFC8725,
  ),
  forged(
    "signed by an attacker's key that the header links to",
    { forge: rs256(evil.privateKey, { jku: "https://evil.example/keys" }) },
    RFC8725,
  ),
  forged(
    "signed by an attacker's key with a certificate",
    { forge: rs256(evil.privateKey, { x5u: "https://evil.example/x" }) },
    RFC8725,
  ),
  ...["../../etc/passwd", "' OR 1=1 --", "__proto__", "", "a".repeat(4000)].map((kid) =>
    forged(
      `signed by an attacker's key with the kid ${JSON.stringify(kid.slice(0, 20))}`,
      { forge: rs256(evil.privateKey, { kid }) },
      RFC8725,
    ),
  ),
  forged("signed with HS256 and the client secret", { forge: hs256(CLIENT_SECRET) }, RFC8725),
  forged("signed with HS256 and a public key", { forge: hs256(evil.pem) }, RFC8725),
  forged("with alg None", { forge: (claims) => `${signingInput({ alg: "None" }, claims)}.` }, RFC8725),
  forged(
    "without alg",
    { forge: (claims, sign) => `${signingInput({}, claims)}.${sign(signingInput({}, claims))}` },
    RFC8725,
  ),
  forged(
    "with an empty signature",
    { forge: (claims) => `${signingInput({ alg: "RS256" }, claims)}.` },
    RFC8725,
  ),
  forged(
    "whose claims were changed after it was signed",
    {
      forge(claims, sign) {
        const signature = sign(signingInput({ alg: "RS256" }, { ...claims, sub: "x" }));
        return `${signingInput({ alg: "RS256" }, claims)}.${signature}`;
      },
    },
    RFC8725,
  ),
  forged(
    "with an extension that must be understood",
    { forge: withHeader({ crit: ["evil"], evil: 1 }) },
    RFC8725,
  ),
  forged("with an unencoded payload", { forge: withHeader({ b64: false, crit: ["b64"] }) }, RFC8725),
  forged("with aud twice, the last one another client", {
    forge: withExtraMembers('"aud":"another-client"'),
  }),
  forged("with iss twice", { forge: withExtraMembers('"iss":"https://another.example"') }),
  forged("with events twice", { forge: withExtraMembers('"events":{}') }),
  forged("that never expires", { forge: withExtraMembers('"exp":1e999') }),
  forged("with an iat that is not a time", { forge: withExtraMembers('"iat":1e999') }),
  forged("with a negative iat", { claims: { iat: -1, exp: now() - 3600 } }),
  forged("for a sub that is an object", { claims: { sub: { toString: VICTIM } } }),
  forged("for a sub in a list", { claims: { sub: [VICTIM] } }),
  forged("for a sid in a list", { claims: { sub: undefined, sid: ["s"] } }),
  forged("for a sub of 1,000 characters", { claims: { sub: "x".repeat(1000) } }),
  forged("whose event is in __proto__", {
    forge: withExtraMembers(`"events":{"__proto__":{"${EVENT}":{}}}`),
  }),
  forged("whose event is true", { claims: { events: { [EVENT]: true } } }),
  forged("whose event is null", { claims: { events: { [EVENT]: null } } }),
  forged("whose event is a list", { claims: { events: { [EVENT]: [] } } }),
  forged("whose events are nested a thousand levels deep", { claims: { events: nestedList(1000) } }),
  forged("with a nonce that is false", { claims: { nonce: false } }),
  forged("with the canary in iss, sub and jti", { claims: { iss: CANARY, sub: CANARY, jti: CANARY } }),
  forged("with the type of an access token", { header: { typ: "at+jwt" } }, RFC8725),
  forged("with the type of a security event token", { header: { typ: "secevent+jwt" } }, RFC8725),
  forged("with a type that is a list", { header: { typ: ["logout+jwt"] as never } }, RFC8725),
  forged(
    "whose header is no JSON",
    { forge: (claims, sign) => `${signingInput("{", claims)}.${sign("")}` },
    RFC8725,
  ),
  forged(
    "whose claims are a list",
    {
      forge: (_claims, sign) =>
        `${signingInput({ alg: "RS256" }, "[]")}.${sign(signingInput({ alg: "RS256" }, "[]"))}`,
    },
    RFC8725,
  ),
  forged(
    "whose claims are null",
    {
      forge: (_claims, sign) =>
        `${signingInput({ alg: "RS256" }, "null")}.${sign(signingInput({ alg: "RS256" }, "null"))}`,
    },
    RFC8725,
  ),
  {
    ...bothChannels,
    name: "the victim's own ID token",
    source: "RFC 8725, section 3.12",
    async attack(world) {
      await signIn(world);
      return postLogoutToken(world, findIdToken(world.provider));
    },
    outcome: tokenRejected,
  },
  {
    ...bothChannels,
    name: "the victim's own access token",
    source: "RFC 8725, section 3.12",
    async attack(world) {
      await signIn(world);
      return postLogoutToken(world, world.provider.issued[0] ?? "");
    },
    outcome: tokenRejected,
  },
  {
    ...bothChannels,
    name: "a valid one in a query",
    source: "OpenID Connect Back-Channel Logout 1.0, section 2.5",
    async attack(world) {
      await signIn(world);
      const logout_token = world.provider.logoutToken({ sub: VICTIM });
      return world.attacker.request(
        `${world.base}/backchannel-logout?${new URLSearchParams({ logout_token })}`,
      );
    },
    outcome: async ({ status }, { signedInUser, victim }) =>
      void expect([status, await signedInUser(victim)]).toEqual([405, VICTIM]),
  },
  ...["text/plain", "application/json", "multipart/form-data; boundary=x"].map(
    (type): Case => ({
      ...bothChannels,
      name: `a valid one as ${type}`,
      source: "OpenID Connect Back-Channel Logout 1.0, section 2.5",
      async attack(world) {
        await signIn(world);
        const form = { logout_token: world.provider.logoutToken({ sub: VICTIM }) };
        const headers = { "content-type": type };
        return world.attacker.request(`${world.base}/backchannel-logout`, { method: "POST", form, headers });
      },
      outcome: tokenRejected,
    }),
  ),
  {
    ...bothChannels,
    name: "a valid one in a form that the app's parser turns into an object",
    source: "CWE-1321",
    app: { hasParsers: true },
    async attack(world) {
      await signIn(world);
      const form = { "logout_token[x]": world.provider.logoutToken({ sub: VICTIM }) };
      return world.attacker.request(`${world.base}/backchannel-logout`, { method: "POST", form });
    },
    outcome: tokenRejected,
  },
  {
    ...bothChannels,
    name: "a valid one is accepted after the app's parser has read the form",
    source: "guide, sign-out",
    app: { hasParsers: true },
    async attack(world) {
      await signIn(world);
      return postLogoutToken(world, world.provider.logoutToken({ sub: VICTIM }));
    },
    outcome: async ({ status }, { signedInUser, victim }) =>
      void expect([status, await signedInUser(victim)]).toEqual([200, undefined]),
  },
];

/** Expects whether the victim, and optionally the attacker, is signed in at the end. */
const signedInAtEnd =
  (victimIn: boolean, attackerIn?: boolean): Outcome =>
  async (_answer, { signedInUser, victim, attacker }) => {
    expect(await signedInUser(victim)).toBe(victimIn ? VICTIM : undefined);
    if (attackerIn !== undefined) expect((await signedInUser(attacker)) !== undefined).toBe(attackerIn);
  };

async function signInAttacker({ attacker, base }: World): Promise<void> {
  attacker.user = { sub: "jonas-weber" };
  await attacker.visit(`${base}/account`);
}

const listSessions = async ({ base }: World, browser: Client): Promise<SessionInfo[]> =>
  JSON.parse((await browser.fetch(`${base}/sessions`)).body);

/** Posts a valid logout token for this user or session. */
const endSessionsOf = (subject: LogoutSubject) => (world: World) =>
  postLogoutToken(world, world.provider.logoutToken(subject));

const limits: readonly Case[] = [
  {
    ...bothChannels,
    name: "a logout of the attacker does not affect the victim",
    source: BACK,
    async attack(world) {
      await signIn(world);
      await signInAttacker(world);
      return endSessionsOf({ sub: "jonas-weber" })(world);
    },
    outcome: signedInAtEnd(true, false),
  },
  ...[
    "__proto__",
    "constructor",
    "hasOwnProperty",
    "*",
    "amara-okafo",
    "AMARA-OKAFOR",
    "amara-okafor\u0000",
  ].map(
    (sub): Case => ({
      ...bothChannels,
      name: `a logout with the sub ${JSON.stringify(sub)} does not affect the victim`,
      source: "CWE-1321; CWE-178",
      async attack(world) {
        await signIn(world);
        return endSessionsOf({ sub })(world);
      },
      outcome: signedInAtEnd(true),
    }),
  ),
  {
    ...bothChannels,
    name: "the attacker's own frame, with the attacker's sid, does not affect the victim",
    source: "OpenID Connect Front-Channel Logout 1.0, section 2",
    async attack(world) {
      await signIn(world);
      await signInAttacker(world);
      const ids = world.provider.issued.filter(
        (token) => token.includes(".") && decodeJwt(token)["sid"] !== undefined,
      );
      const sid = String(decodeJwt(ids.at(-1) ?? "")["sid"]);
      return frameLogout(world, { iss: world.provider.issuer, sid });
    },
    outcome: signedInAtEnd(true, false),
  },
  ...[
    ["without a sid", { iss: "" }],
    ["with the victim's sub as sid", { sid: VICTIM }],
    ["with a sid that matches everything", { sid: "*" }],
    ["with the sid __proto__", { sid: "__proto__" }],
  ].map(
    ([how, query]): Case => ({
      ...bothChannels,
      name: `an attacker's page that frames the logout in the victim's browser ${how} ends no session`,
      source: "OWASP CSRF",
      async attack(world) {
        await signIn(world);
        return frameLogout(world, { iss: world.provider.issuer, ...(query as object) }, world.victim);
      },
      outcome: signedInAtEnd(true),
    }),
  ),
  {
    ...bothChannels,
    name: "the sessions of another user are neither listed nor ended",
    source: "CWE-639",
    async attack(world) {
      await signIn(world);
      await signInAttacker(world);
      const [victims] = await listSessions(world, world.victim);
      const own = await listSessions(world, world.attacker);
      expect([victims?.is_current, own.length, own[0]?.is_current]).toEqual([true, 1, true]);
      for (const id of [victims?.id ?? "", "", "__proto__", "*", VICTIM])
        expect((await world.attacker.fetch(`${world.base}/end`, { method: "POST", form: { id } })).body).toBe(
          '{"ended":false}',
        );
      return world.attacker.fetch(`${world.base}/end`, { method: "POST", form: { id: own[0]?.id ?? "" } });
    },
    outcome: signedInAtEnd(true, false),
  },
  {
    ...bothChannels,
    name: "a logout on all devices ends all sessions of this user, and no session of another user",
    source: "guide, sign-out",
    async attack(world) {
      const secondBrowser = new Client();
      await secondBrowser.visit(`${world.base}/account`);
      await signIn(world);
      await signInAttacker(world);
      const answer = await secondBrowser.fetch(`${world.base}/logout-all`, { method: "POST" });
      expect(await world.signedInUser(secondBrowser)).toBeUndefined();
      return answer;
    },
    outcome: signedInAtEnd(false, true),
  },
];

const races: readonly Case[] = [
  {
    ...bothChannels,
    name: "after ten logins and ten logouts at the same moment, a last logout ends every session",
    source: "guide, sign-out",
    async attack(world) {
      const clients = Array.from({ length: 10 }, () => new Client());
      await Promise.allSettled(
        clients.flatMap((client) => [
          client.visit(`${world.base}/account`),
          endSessionsOf({ sub: VICTIM })(world),
        ]),
      );
      const last = await postLogoutToken(
        world,
        world.provider.logoutToken({ sub: VICTIM }, { claims: { iat: now() + 2 } }),
      );
      for (const client of clients) expect(await world.signedInUser(client)).toBeUndefined();
      return last;
    },
    outcome: ({ status }) => void expect(status).toBe(200),
  },
  {
    ...bothChannels,
    name: "a token that is posted ten times at once is accepted, and rejected afterwards",
    source: "OpenID Connect Back-Channel Logout 1.0, section 2.6, step 8",
    async attack(world) {
      await signIn(world);
      const token = world.provider.logoutToken({ sub: VICTIM }, { claims: { iat: now() - 5 } });
      const answers = await Promise.all(Array.from({ length: 10 }, () => postLogoutToken(world, token)));
      expect(answers.map(({ status }) => status)).toContain(200);
      expect(await world.signedInUser(world.victim)).toBeUndefined();
      await signIn(world);
      return postLogoutToken(world, token);
    },
    outcome: tokenRejected,
  },
  {
    ...bothChannels,
    name: "a session that several requests end at once has ended, and no response is a 5xx",
    source: "guide, sign-out",
    async attack(world) {
      await signIn(world);
      const secondBrowser = new Client();
      await secondBrowser.visit(`${world.base}/account`);
      const [first] = (await listSessions(world, secondBrowser)).filter(({ is_current }) => !is_current);
      const ends = Array.from({ length: 5 }, () =>
        secondBrowser.fetch(`${world.base}/end`, { method: "POST", form: { id: first?.id ?? "" } }),
      );
      const answers = await Promise.all([
        ...ends,
        endSessionsOf({ sub: VICTIM })(world),
        world.victim.fetch(`${world.base}/logout-all`, { method: "POST" }),
      ]);
      for (const { status } of answers) expect(status).toBeLessThan(500);
      expect(await world.signedInUser(secondBrowser)).toBeUndefined();
      return answers[0] as (typeof answers)[number];
    },
    outcome: signedInAtEnd(false),
  },
];

const twoProviders: Partial<Case> = { ...bothChannels, other: { document: "full" } };

const otherProviders: readonly Case[] = (["at /other", "staff", "a tenant"] as const).flatMap(
  (otherIs): Case[] => [
    {
      ...twoProviders,
      otherIs,
      name: `a logout token of the other provider with the iss of the victim's provider: ${otherIs}`,
      source: BACK,
      async attack(world) {
        await signIn(world);
        await world.other.rotateKeys(); // the first key is the same for all test providers of a process
        return postLogoutToken(
          world,
          world.other.logoutToken({ sub: VICTIM }, { claims: { iss: world.provider.issuer } }),
        );
      },
      outcome: tokenRejected,
    },
    {
      ...twoProviders,
      otherIs,
      name: `a valid one at the other provider's own route does not affect the victim: ${otherIs}`,
      source: BACK,
      async attack(world) {
        await signIn(world);
        return postLogoutToken(world, world.other.logoutToken({ sub: VICTIM }), world.otherBase);
      },
      outcome: async ({ status }, { signedInUser, victim }) =>
        void expect([status, await signedInUser(victim)]).toEqual([200, VICTIM]),
    },
  ],
);

for (const run of [describeAttacks, describeAttacksOnCluster]) {
  run("rejects an invalid logout token", tokens);
  run("limits a logout to the user that it names", limits);
  run("handles a logout during other requests", races);
}
describeAttacks("rejects logout tokens of another provider", otherProviders);
