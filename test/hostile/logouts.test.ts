import { decodeJwt } from "jose";
import { expect } from "vitest";
import type { SessionInfo } from "../../lib/index.js";
import type { IdTokenChanges, LogoutSubject } from "../../lib/testing/index.js";
import type { LocalProvider } from "../../lib/testing/provider/local-provider.js";
import { CLIENT_SECRET } from "../support/world.js";
import {
  attacks,
  attacksOnSeveral,
  CANARY,
  type Case,
  logIn,
  type Outcome,
  type World,
} from "./support/attack.js";
import type { Client } from "./support/client.js";
import { Client as NewClient } from "./support/client.js";
import { content, hs256, idTokenOf, rs256, strangersKey, withHeader, withMembers } from "./support/jwt.js";

// Logouts that others start: forged tokens, forged frames, other users' sessions, and events at the same
// moment. On one process and on four.

const VICTIM = "amara-okafor";
const BACK = "OpenID Connect Back-Channel Logout 1.0, section 2.6";
const BCP = "RFC 8725";

const both = {
  portal: { document: "full" },
  options: { scope: "openid profile email", backchannelLogout: true, frontchannelLogout: true },
} as const;

const post = ({ base, stranger }: World, logout_token: string, at = base) =>
  stranger.request(`${at}/backchannel-logout`, { method: "POST", form: { logout_token } });

const frame = ({ base, stranger }: World, query: Record<string, string>, who: Client = stranger) =>
  who.navigate(`${base}/frontchannel-logout?${new URLSearchParams(query)}`, {
    site: "cross-site",
    headers: { "sec-fetch-dest": "iframe" },
  });

const isRefused: Outcome = async ({ status, body, headers }, { whoIs, victim }) => {
  expect([status, headers["cache-control"]]).toEqual([400, "no-store"]);
  expect(JSON.parse(body).error).toBe("invalid_request");
  expect(await whoIs(victim)).toBe(VICTIM);
};

/** Posts a logout token for the victim that is wrong in one way. */
const forged = (
  name: string,
  changes: IdTokenChanges | ((provider: LocalProvider) => IdTokenChanges),
  source = BACK,
): Case => ({
  ...both,
  name,
  source,
  async act(world) {
    await logIn(world);
    const { portal: provider } = world;
    return post(
      world,
      provider.logoutToken({ sub: VICTIM }, typeof changes === "function" ? changes(provider) : changes),
    );
  },
  outcome: isRefused,
});

const evil = strangersKey();
const EVENT = "http://schemas.openid.net/event/backchannel-logout";
const now = () => Math.floor(Date.now() / 1000);
const deep = (levels: number): unknown => JSON.parse(`${"[".repeat(levels)}${"]".repeat(levels)}`);

const tokens: readonly Case[] = [
  forged(
    "signed by an attacker's key that the header contains",
    { forge: rs256(evil.privateKey, { jwk: evil.jwk }) },
    BCP,
  ),
  forged(
    "signed by an attacker's key that the header links to",
    { forge: rs256(evil.privateKey, { jku: "https://evil.example/keys" }) },
    BCP,
  ),
  forged(
    "signed by an attacker's key with a certificate",
    { forge: rs256(evil.privateKey, { x5u: "https://evil.example/x" }) },
    BCP,
  ),
  ...["../../etc/passwd", "' OR 1=1 --", "__proto__", "", "a".repeat(4000)].map((kid) =>
    forged(
      `signed by an attacker's key of the name ${kid.slice(0, 20)}`,
      { forge: rs256(evil.privateKey, { kid }) },
      BCP,
    ),
  ),
  forged("HS256 by the client's secret", { forge: hs256(CLIENT_SECRET) }, BCP),
  forged("HS256 by the public key", { forge: hs256(evil.pem) }, BCP),
  forged("of alg None", { forge: (claims) => `${content({ alg: "None" }, claims)}.` }, BCP),
  forged(
    "without alg",
    { forge: (claims, sign) => `${content({}, claims)}.${sign(content({}, claims))}` },
    BCP,
  ),
  forged("with an empty signature", { forge: (claims) => `${content({ alg: "RS256" }, claims)}.` }, BCP),
  forged(
    "whose claims were changed after it was signed",
    {
      forge: (claims, sign) =>
        `${content({ alg: "RS256" }, claims)}.${sign(content({ alg: "RS256" }, { ...claims, sub: "x" }))}`,
    },
    BCP,
  ),
  forged(
    "with an extension that must be understood",
    { forge: withHeader({ crit: ["evil"], evil: 1 }) },
    BCP,
  ),
  forged("with an unencoded payload", { forge: withHeader({ b64: false, crit: ["b64"] }) }, BCP),
  forged("with aud twice, the last one another client", {
    forge: withMembers('"aud":"another-client"'),
  }),
  forged("with iss twice", { forge: withMembers('"iss":"https://another.example"') }),
  forged("with events twice", { forge: withMembers('"events":{}') }),
  forged("that never expires", { forge: withMembers('"exp":1e999') }),
  forged("with an iat that is not a time", { forge: withMembers('"iat":1e999') }),
  forged("with a negative iat", { claims: { iat: -1, exp: now() - 3600 } }),
  forged("for a user with many names", { claims: { sub: { toString: VICTIM } } }),
  forged("for a user in a list", { claims: { sub: [VICTIM] } }),
  forged("for a session in a list", { claims: { sub: undefined, sid: ["s"] } }),
  forged("for a user of a thousand letters", { claims: { sub: "x".repeat(1000) } }),
  forged("whose events have a prototype", { forge: withMembers(`"events":{"__proto__":{"${EVENT}":{}}}`) }),
  forged("whose event is true", { claims: { events: { [EVENT]: true } } }),
  forged("whose event is null", { claims: { events: { [EVENT]: null } } }),
  forged("whose event is a list", { claims: { events: { [EVENT]: [] } } }),
  forged("whose events are nested a thousand levels deep", { claims: { events: deep(1000) } }),
  forged("with a nonce that is false", { claims: { nonce: false } }),
  forged("with an HTML error text", { claims: { iss: CANARY, sub: CANARY, jti: CANARY } }),
  forged("of the type of an access token", { header: { typ: "at+jwt" } }, BCP),
  forged("of the type of a secevent", { header: { typ: "secevent+jwt" } }, BCP),
  forged("of a type that is a list", { header: { typ: ["logout+jwt"] as never } }, BCP),
  forged("whose header is no JSON", { forge: (claims, sign) => `${content("{", claims)}.${sign("")}` }, BCP),
  forged(
    "whose claims are a list",
    {
      forge: (_claims, sign) => `${content({ alg: "RS256" }, "[]")}.${sign(content({ alg: "RS256" }, "[]"))}`,
    },
    BCP,
  ),
  forged(
    "whose claims are null",
    {
      forge: (_claims, sign) =>
        `${content({ alg: "RS256" }, "null")}.${sign(content({ alg: "RS256" }, "null"))}`,
    },
    BCP,
  ),
  {
    ...both,
    name: "the victim's own ID token",
    source: "RFC 8725, section 3.12",
    async act(world) {
      await logIn(world);
      return post(world, idTokenOf(world.portal));
    },
    outcome: isRefused,
  },
  {
    ...both,
    name: "the victim's own access token",
    source: "RFC 8725, section 3.12",
    async act(world) {
      await logIn(world);
      return post(world, world.portal.issued[0] ?? "");
    },
    outcome: isRefused,
  },
  {
    ...both,
    name: "a good one in a query",
    source: "OpenID Connect Back-Channel Logout 1.0, section 2.5",
    async act(world) {
      await logIn(world);
      const logout_token = world.portal.logoutToken({ sub: VICTIM });
      return world.stranger.request(
        `${world.base}/backchannel-logout?${new URLSearchParams({ logout_token })}`,
      );
    },
    outcome: async ({ status }, { whoIs, victim }) =>
      void expect([status, await whoIs(victim)]).toEqual([405, VICTIM]),
  },
  ...["text/plain", "application/json", "multipart/form-data; boundary=x"].map(
    (type): Case => ({
      ...both,
      name: `a good one as ${type}`,
      source: "OpenID Connect Back-Channel Logout 1.0, section 2.5",
      async act(world) {
        await logIn(world);
        const form = { logout_token: world.portal.logoutToken({ sub: VICTIM }) };
        const headers = { "content-type": type };
        return world.stranger.request(`${world.base}/backchannel-logout`, { method: "POST", form, headers });
      },
      outcome: isRefused,
    }),
  ),
  {
    ...both,
    name: "one in a form that the app's parser makes an object of",
    source: "CWE-1321",
    app: { parsers: true },
    async act(world) {
      await logIn(world);
      const form = { "logout_token[x]": world.portal.logoutToken({ sub: VICTIM }) };
      return world.stranger.request(`${world.base}/backchannel-logout`, { method: "POST", form });
    },
    outcome: isRefused,
  },
  {
    ...both,
    name: "a valid one is accepted after the app's parser has read the form",
    source: "guide, sign-out",
    app: { parsers: true },
    async act(world) {
      await logIn(world);
      return post(world, world.portal.logoutToken({ sub: VICTIM }));
    },
    outcome: async ({ status }, { whoIs, victim }) =>
      void expect([status, await whoIs(victim)]).toEqual([200, undefined]),
  },
];

/** Expects who is signed in, and who is not, at the end. */
const whoIsIn =
  (victimIn: boolean, strangerIn?: boolean): Outcome =>
  async (_answer, { whoIs, victim, stranger }) => {
    expect(await whoIs(victim)).toBe(victimIn ? VICTIM : undefined);
    if (strangerIn !== undefined) expect((await whoIs(stranger)) !== undefined).toBe(strangerIn);
  };

async function strangerLogsIn({ stranger, base }: World): Promise<void> {
  stranger.person = { sub: "jonas-weber" };
  await stranger.visit(`${base}/account`);
}

const list = async ({ base }: World, who: Client): Promise<SessionInfo[]> =>
  JSON.parse((await who.fetch(`${base}/sessions`)).body);

const several = (who: LogoutSubject) => (world: World) => post(world, world.portal.logoutToken(who));

const people: readonly Case[] = [
  {
    ...both,
    name: "a logout of the attacker's, for the attacker",
    source: BACK,
    async act(world) {
      await logIn(world);
      await strangerLogsIn(world);
      return several({ sub: "jonas-weber" })(world);
    },
    outcome: whoIsIn(true, false),
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
      ...both,
      name: `a logout of a user whose name is ${JSON.stringify(sub)}`,
      source: "CWE-1321; CWE-178",
      async act(world) {
        await logIn(world);
        return several({ sub })(world);
      },
      outcome: whoIsIn(true),
    }),
  ),
  {
    ...both,
    name: "the attacker's own frame, with the attacker's sid",
    source: "OpenID Connect Front-Channel Logout 1.0, section 2",
    async act(world) {
      await logIn(world);
      await strangerLogsIn(world);
      const ids = world.portal.issued.filter(
        (token) => token.includes(".") && decodeJwt(token)["sid"] !== undefined,
      );
      const sid = String(decodeJwt(ids.at(-1) ?? "")["sid"]);
      return frame(world, { iss: world.portal.issuer, sid });
    },
    outcome: whoIsIn(true, false),
  },
  ...[
    ["without a sid", { iss: "" }],
    ["with the victim's sub as sid", { sid: VICTIM }],
    ["with a sid that matches everything", { sid: "*" }],
    ["with a sid of another kind", { sid: "__proto__" }],
  ].map(
    ([how, query]): Case => ({
      ...both,
      name: `an attacker's page that frames the logout in the victim's browser, ${how}`,
      source: "OWASP CSRF",
      async act(world) {
        await logIn(world);
        return frame(world, { iss: world.portal.issuer, ...(query as object) }, world.victim);
      },
      outcome: whoIsIn(true),
    }),
  ),
  {
    ...both,
    name: "sessions of another user are neither listed nor ended",
    source: "CWE-639",
    async act(world) {
      await logIn(world);
      await strangerLogsIn(world);
      const [theirs] = await list(world, world.victim);
      const own = await list(world, world.stranger);
      expect([theirs?.is_current, own.length, own[0]?.is_current]).toEqual([true, 1, true]);
      for (const id of [theirs?.id ?? "", "", "__proto__", "*", VICTIM])
        expect((await world.stranger.fetch(`${world.base}/end`, { method: "POST", form: { id } })).body).toBe(
          '{"ended":false}',
        );
      return world.stranger.fetch(`${world.base}/end`, { method: "POST", form: { id: own[0]?.id ?? "" } });
    },
    outcome: whoIsIn(true, false),
  },
  {
    ...both,
    name: "logging out on all devices ends the same user's sessions, and no other user's",
    source: "guide, sign-out",
    async act(world) {
      const elsewhere = new NewClient();
      await elsewhere.visit(`${world.base}/account`);
      await logIn(world);
      await strangerLogsIn(world);
      const answer = await elsewhere.fetch(`${world.base}/leave`, { method: "POST" });
      expect(await world.whoIs(elsewhere)).toBeUndefined();
      return answer;
    },
    outcome: whoIsIn(false, true),
  },
];

const races: readonly Case[] = [
  {
    ...both,
    name: "twenty logins and logouts at the same moment leave no session that the last logout names",
    source: "guide, sign-out",
    async act(world) {
      const clients = Array.from({ length: 10 }, () => new NewClient());
      await Promise.allSettled(
        clients.flatMap((client) => [client.visit(`${world.base}/account`), several({ sub: VICTIM })(world)]),
      );
      const last = await post(
        world,
        world.portal.logoutToken({ sub: VICTIM }, { claims: { iat: now() + 2 } }),
      );
      for (const client of clients) expect(await world.whoIs(client)).toBeUndefined();
      return last;
    },
    outcome: ({ status }) => void expect(status).toBe(200),
  },
  {
    ...both,
    name: "one token ten times at once is accepted, and rejected afterwards",
    source: "OpenID Connect Back-Channel Logout 1.0, section 2.6, step 8",
    async act(world) {
      await logIn(world);
      const token = world.portal.logoutToken({ sub: VICTIM }, { claims: { iat: now() - 5 } });
      const answers = await Promise.all(Array.from({ length: 10 }, () => post(world, token)));
      expect(answers.map(({ status }) => status)).toContain(200);
      expect(await world.whoIs(world.victim)).toBeUndefined();
      await logIn(world);
      return post(world, token);
    },
    outcome: isRefused,
  },
  {
    ...both,
    name: "a session that ten requests end at once is gone, and no response is a 500",
    source: "guide, sign-out",
    async act(world) {
      await logIn(world);
      const elsewhere = new NewClient();
      await elsewhere.visit(`${world.base}/account`);
      const [first] = (await list(world, elsewhere)).filter(({ is_current }) => !is_current);
      const ends = Array.from({ length: 5 }, () =>
        elsewhere.fetch(`${world.base}/end`, { method: "POST", form: { id: first?.id ?? "" } }),
      );
      const answers = await Promise.all([
        ...ends,
        several({ sub: VICTIM })(world),
        world.victim.fetch(`${world.base}/leave`, { method: "POST" }),
      ]);
      for (const { status } of answers) expect(status).toBeLessThan(500);
      expect(await world.whoIs(elsewhere)).toBeUndefined();
      return answers[0] as (typeof answers)[number];
    },
    outcome: whoIsIn(false),
  },
];

const TWO: Partial<Case> = { ...both, other: { document: "full" } };

const otherPortals: readonly Case[] = (["at /other", "staff", "a tenant"] as const).flatMap(
  (otherIs): Case[] => [
    {
      ...TWO,
      otherIs,
      name: `a logout token of the other provider, in the name of the victim's: ${otherIs}`,
      source: BACK,
      async act(world) {
        await logIn(world);
        await world.other.rotateKeys(); // the first key is the same for all test providers of a process
        return post(
          world,
          world.other.logoutToken({ sub: VICTIM }, { claims: { iss: world.portal.issuer } }),
        );
      },
      outcome: isRefused,
    },
    {
      ...TWO,
      otherIs,
      name: `a valid one at the other provider's own route does not affect the victim: ${otherIs}`,
      source: BACK,
      async act(world) {
        await logIn(world);
        return post(world, world.other.logoutToken({ sub: VICTIM }), world.otherBase);
      },
      outcome: async ({ status }, { whoIs, victim }) =>
        void expect([status, await whoIs(victim)]).toEqual([200, VICTIM]),
    },
  ],
);

for (const run of [attacks, attacksOnSeveral]) {
  run("rejects an invalid logout token", tokens);
  run("limits a logout to the user that it names", people);
  run("handles a logout during other requests", races);
}
attacks("rejects logout tokens of another provider", otherPortals);
