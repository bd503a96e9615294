import { expect } from "vitest";
import { createByteEncryption } from "../../lib/util/encryption.js";
import type { Answer } from "../support/browser.js";
import { CLIENT_ID, SESSION_SECRET } from "../support/world.js";
import { beginLogin, signed } from "./support/acts.js";
import { attacks, type Case, logIn, type Outcome, onExpress4, type World } from "./support/attack.js";
import { submitForm } from "./support/client.js";
import { allOf, noSessionBegan, notBegunHere, refused, welcomed } from "./support/outcomes.js";

// Cookies that an attacker has changed, cookies made with another secret, and cookies that a neighbouring
// host has planted.

const OWASP = "OWASP ASVS 4.0, 5.1";
const RENEWED_SECRET = "another-secret-of-32-characters-!!";

/** Changes the cookie jar while a login is pending. */
interface Tampering extends Omit<Case, "act"> {
  readonly change: (world: World) => unknown;
}

const cookies = (
  name: string,
  source: string,
  change: (world: World) => unknown,
  outcome: Outcome = allOf(notBegunHere, noSessionBegan, nothingSent),
): Tampering => ({ name, source, change, outcome });

function nothingSent(_answer: Answer, { asked }: World): void {
  expect(asked("/oauth2/token")).toEqual([]);
}

const answeredByAddress = ({ change, ...attack }: Tampering): Case => ({
  ...attack,
  async act(world) {
    const { victim, base } = world;
    const callbackAddress = await victim.loginUntilCallback(`${base}/login?returnTo=/account`);
    await change(world);
    return victim.visit(callbackAddress, { site: "cross-site" });
  },
});

/** Here the cookie is SameSite=None and Secure, so it travels with another site's POST. */
const answeredByForm = ({ change, ...attack }: Tampering): Case => ({
  ...attack,
  https: true,
  options: { ...attack.options, authorizationParams: { response_mode: "form_post" } },
  async act(world) {
    const { victim, base } = world;
    const page = await victim.visit(`${base}/login?returnTo=/account`);
    await change(world);
    return submitForm(victim, page);
  },
});

/** Formats the cookie as the app would set it: over https its name requires Secure. */
const plant = ({ victim, url }: World, name: string, value: string): Promise<unknown> => {
  const crossing = url.startsWith("https:") ? "; Secure; SameSite=None" : "";
  return victim.jar.setCookie(`${name}=${value}; Path=/${crossing}`, url, { loose: true });
};

/** Returns the cookies of the pending logins of a browser. */
const waitingIn = async (who: "victim" | "stranger", world: World) =>
  (await world[who].jar.getCookies(world.url)).filter(({ key }) => key.includes("portal-login."));

/** Changes the cookie of the victim's login. */
async function rewrite(world: World, change: (value: string) => string): Promise<void> {
  const [cookie, ...others] = await waitingIn("victim", world);
  expect([cookie, others]).toEqual([expect.anything(), []]);
  await plant(world, String(cookie?.key), change(String(cookie?.value)));
}

const flipped = (value: string, at: number) =>
  value.slice(0, at) + (value.at(at) === "A" ? "B" : "A") + value.slice(at + 1);

const COMPACT = "RFC 7516, section 5.2";
const tampered: Tampering[] = [
  cookies("missing", "RFC 9700, section 4.7", ({ victim }) => victim.jar.removeAllCookies()),
  cookies("empty", OWASP, (world) => rewrite(world, () => "")),
  cookies("garbled", OWASP, (world) => rewrite(world, () => "%E0%A4%A.j:%7B.%01")),
  ...[5, 45, 60, 120].map((at) =>
    cookies(`one letter changed, the ${at}th`, COMPACT, (world) =>
      rewrite(world, (value) => flipped(value, at)),
    ),
  ),
  cookies("cut short", COMPACT, (world) => rewrite(world, (value) => value.slice(0, -1))),
  cookies("longer", COMPACT, (world) => rewrite(world, (value) => `${value}A`)),
  cookies("padded", "RFC 7515, section 2", (world) => rewrite(world, (value) => `${value}==`)),
  cookies("in quotes", "RFC 6265, section 4.1.1", (world) => rewrite(world, (value) => `"${value}"`)),
  cookies("of another login of the same user", "RFC 9700, section 4.7", copyLogin),
  cookies("in the slot of another login of the same user", "guide, how a login works", swapLogins, welcomed),
  cookies("of another user's login", "RFC 9700, section 4.7", swapPeople),
  cookies("a header without encryption", "RFC 7516, section 4.1", (world) =>
    rewrite(world, () => `${btoa('{"alg":"none"}')}...e30.`),
  ),
  cookies("fifty others that look like ours", "CWE-400", plantFifty, welcomed),
];
attacks("rejects a changed login cookie", tampered.map(answeredByAddress));
attacks("rejects a changed login cookie, on Express 4", onExpress4(tampered.map(answeredByAddress)));
attacks(
  "rejects a changed login cookie, of a router with a name",
  tampered.map((tampering) => answeredByAddress({ ...tampering, options: { name: "staff" } })),
);
attacks(
  "rejects a changed login cookie of a login that returns by form, over https",
  tampered.map(answeredByForm),
);

/** The cookie of the victim's login, and that of a second one. */
async function twoLogins(world: World) {
  const [first] = await waitingIn("victim", world);
  await beginLogin(world.victim, world.base);
  const second = (await waitingIn("victim", world)).find(({ key }) => key !== first?.key);
  expect([first, second]).not.toContain(undefined);
  return { first, second };
}

/** The second login's cookie also replaces the first one's. */
async function copyLogin(world: World): Promise<void> {
  const { first, second } = await twoLogins(world);
  await plant(world, String(first?.key), String(second?.value));
}

/**
 * Two logins of one browser whose cookies are swapped: a slot is found by its content and not by its name.
 */
async function swapLogins(world: World): Promise<void> {
  const { first, second } = await twoLogins(world);
  await plant(world, String(first?.key), String(second?.value));
  await plant(world, String(second?.key), String(first?.value));
}

/** The attacker's own login cookie, under the name of the victim's. */
async function swapPeople(world: World): Promise<void> {
  await beginLogin(world.stranger, world.base);
  const [theirs] = await waitingIn("stranger", world);
  expect(theirs).toBeDefined();
  await rewrite(world, () => String(theirs?.value));
}

async function plantFifty(world: World): Promise<void> {
  const prefix = world.url.startsWith("https:") ? "__Host-portal-login." : "portal-login.";
  for (let index = 0; index < 50; index += 1)
    await plant(world, prefix + String(index).padStart(9, "A"), `x${index}`);
}

/** How a cookie was encrypted. */
interface Seal {
  readonly secret?: string;
  readonly of?: string;
  readonly client?: string;
  readonly callback?: string;
}

/** Encrypts the content of a login's cookie again: with another secret, or for another router or purpose. */
const sealedAnew =
  (by: Seal, change: (held: Buffer) => Buffer = (held) => held) =>
  (world: World): Promise<void> => {
    const sealer = ({
      secret = SESSION_SECRET,
      of = "login slot",
      client = CLIENT_ID,
      callback = "/callback",
    }: Seal) =>
      createByteEncryption(
        [secret],
        `${of} ${JSON.stringify([world.portal.issuer, client, world.base + callback])}`,
      );
    return rewrite(world, (value) => {
      const opened = [SESSION_SECRET, RENEWED_SECRET]
        .map((secret) => sealer({ secret }).decrypt(value))
        .find(Boolean);
      return sealer(by).encrypt(change(opened as Buffer));
    });
  };

/** The same attempt, started ten minutes ago: its time follows the first byte. */
function begunTenMinutesAgo(held: Buffer): Buffer {
  const older = Buffer.from(held);
  older.writeUIntBE(Date.now() - 600_000, 1, 6);
  return older;
}

const KEY_ROTATION = "guide, secret";
const sealed: Tampering[] = [
  {
    ...cookies("encrypted with an older secret", KEY_ROTATION, sealedAnew({ secret: SESSION_SECRET })),
    options: { secret: RENEWED_SECRET },
  },
  {
    ...cookies(
      "encrypted with an older secret that is still listed",
      KEY_ROTATION,
      sealedAnew({ secret: SESSION_SECRET }),
      welcomed,
    ),
    options: { secret: [RENEWED_SECRET, SESSION_SECRET] },
  },
  cookies(
    "encrypted again with the secret itself: the others are rejected for their encryption alone",
    KEY_ROTATION,
    sealedAnew({}),
    welcomed,
  ),
  cookies(
    "encrypted for another client with the same secret",
    "RFC 9700, section 4.4",
    sealedAnew({ client: "other" }),
  ),
  cookies(
    "encrypted for another router with the same secret",
    "RFC 9700, section 4.4",
    sealedAnew({ callback: "/other/callback" }),
  ),
  cookies("encrypted for a logout", "RFC 5869, section 3.2", sealedAnew({ of: "logout" })),
  cookies(
    "of a login that was started ten minutes ago",
    "guide, how a login works",
    sealedAnew({}, begunTenMinutesAgo),
    allOf(refused("login_expired"), noSessionBegan, nothingSent),
  ),
];
attacks("rejects login cookies that are encrypted in another way", sealed.map(answeredByAddress));
attacks(
  "rejects login cookies that are encrypted in another way, on Express 4",
  onExpress4(sealed.map(answeredByAddress)),
);

/** Returns the id of a session, from its cookie's value. */
const idIn = (value: string): string => decodeURIComponent(value).slice(2).split(".")[0] ?? "";

/** Logs the victim in, changes the cookie of the session, and requests the guarded page as a script. */
const sessionCookie = (name: string, change: (value: string) => string, more: Partial<Case> = {}): Case => ({
  name: `session: ${name}`,
  source: "OWASP ASVS 4.0, 3.2",
  async act(world) {
    const { victim, url, base } = world;
    await logIn(world);
    const value = (await victim.cookies(url)).get("portal-session");
    expect(value).toBeDefined();
    await plant(world, "portal-session", change(String(value)));
    return victim.fetch(`${base}/account`);
  },
  outcome: refused("login_required"),
  ...more,
});

const decoded = (value: string) => decodeURIComponent(value);
const sessionCookies: Case[] = [
  sessionCookie("empty", () => ""),
  sessionCookie("without its signature", (value) => encodeURIComponent(decoded(value).split(".")[0] ?? "")),
  sessionCookie("another id under the old signature", (value) =>
    encodeURIComponent(flipped(decoded(value), 4)),
  ),
  sessionCookie("another signature", (value) =>
    encodeURIComponent(flipped(decoded(value), decoded(value).length - 3)),
  ),
  sessionCookie("garbled", () => "s%3A%E0%A4%A"),
  sessionCookie("JSON", () => encodeURIComponent('j:{"portal":{"claims":{"sub":"amara-okafor"}}}')),
  sessionCookie("an id of __proto__", () => signed("__proto__")),
  sessionCookie("an id of constructor", () => signed("constructor")),
  sessionCookie("an id that no session has", () => signed("a".repeat(32))),
  sessionCookie("signed by a secret of the attacker's", (value) =>
    signed(idIn(value), "a secret of the attacker's"),
  ),
  sessionCookie("signed by an older secret", (value) => signed(idIn(value)), {
    source: KEY_ROTATION,
    options: { secret: RENEWED_SECRET },
  }),
  sessionCookie("signed by an older secret that is still listed", (value) => signed(idIn(value)), {
    source: KEY_ROTATION,
    options: { secret: [RENEWED_SECRET, SESSION_SECRET] },
    outcome: welcomed,
  }),
];
attacks("rejects a changed session cookie", sessionCookies);
attacks("rejects a changed session cookie, on Express 4", onExpress4(sessionCookies));

/**
 * The owner of a neighbouring host can set cookies for the domain above both. Browsers refuse the prefix
 * __Host- for these.
 */
const tossed = (name: string, act: (world: World) => Promise<Answer>, outcome: Outcome): Case => ({
  name,
  source: "RFC 6265bis, section 4.1.3.2; RFC 9700, section 4.7",
  https: true,
  act,
  outcome,
});

attacks("over https, behind a proxy", [
  { name: "a login", source: "guide, deployment", https: true, outcome: welcomed },
  tossed(
    "sets only cookies that are Secure, HttpOnly, SameSite and bound to the host by their names",
    async (world) => {
      await logIn(world);
      return world.victim.visit(`${world.base}/logout`, { site: "same-origin" });
    },
    (_answer, { victim, url }) => {
      const ours = victim.answers.filter(({ url: at }) => at.startsWith(url));
      const lines = ours.flatMap(({ headers }) => headers["set-cookie"] ?? []);
      expect(lines.length).toBeGreaterThan(2);
      for (const line of lines) expect(line).toMatch(/^__Host-portal-(login\.[\w-]{8}\d|session)=/);
      for (const line of lines)
        expect(line).toMatch(/; Path=\/;(?!.*Domain).*HttpOnly; Secure(; SameSite=Lax)?$/);
    },
  ),
  tossed(
    "ignores the attacker's login, planted in the victim's browser under a name without the prefix",
    async ({ victim, stranger, base, url }) => {
      stranger.person = { sub: "jonas-weber" };
      const theirs = await stranger.loginUntilCallback(`${base}/login`);
      for (const { key, value } of await stranger.jar.getCookies(url))
        await victim.jar.setCookie(`${key.replace("__Host-", "")}=${value}; Path=/; Secure`, url);
      return victim.visit(theirs, { site: "cross-site" });
    },
    notBegunHere,
  ),
  tossed(
    "ignores the attacker's session, planted likewise",
    async (world) => {
      const { victim, stranger, base, url } = world;
      stranger.person = { sub: "jonas-weber" };
      await stranger.visit(`${base}/account`);
      const value = (await stranger.cookies(url)).get("__Host-portal-session");
      expect(value).toBeDefined();
      await victim.jar.setCookie(`portal-session=${value}; Path=/; Secure`, url);
      return victim.fetch(`${base}/account`);
    },
    async ({ status }, { whoIs, victim }) =>
      void expect([status, await whoIs(victim)]).toEqual([401, undefined]),
  ),
  tossed(
    "starts no login for a client that bypasses the proxy: its cookie could not be Secure",
    ({ stranger, behind }) => stranger.navigate(`${behind}/login`),
    (answer) => {
      expect(answer.headers["set-cookie"]).toBeUndefined();
      expect([answer.status, answer.body.includes("proxy_not_trusted")]).toEqual([500, true]);
    },
  ),
  tossed(
    "sets a Secure cookie for a client that bypasses the proxy and claims https",
    ({ stranger, behind }) =>
      stranger.navigate(`${behind}/login`, { headers: { "x-forwarded-proto": "https" } }),
    ({ status, headers }) => {
      expect([status, headers["set-cookie"]]).toEqual([302, [expect.stringMatching(/^__Host-.*; Secure; /)]]);
    },
  ),
]);
