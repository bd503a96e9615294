import { expect } from "vitest";
import { createByteEncryption } from "../../lib/util/encryption.js";
import type { Answer } from "../support/browser.js";
import { CLIENT_ID, SESSION_SECRET } from "../support/world.js";
import {
  type Case,
  describeAttacks,
  type Outcome,
  onExpress4,
  signIn,
  type World,
} from "./support/attack.js";
import { submitForm } from "./support/client.js";
import { allOf, loginNotFound, noSessionStarted, rejectedWith, signedIn } from "./support/outcomes.js";
import { signSessionId, startLogin } from "./support/sign-in-steps.js";

// Cookies that an attacker has changed, cookies made with another secret, and cookies that a neighbouring
// host has planted.

const OWASP = "OWASP ASVS 4.0, 5.1";
const NEW_SECRET = "another-secret-of-32-characters-!!";

/** Changes the cookie jar while a login is pending. */
interface Tampering extends Omit<Case, "attack"> {
  readonly change: (world: World) => unknown;
}

const tampering = (
  name: string,
  source: string,
  change: (world: World) => unknown,
  outcome: Outcome = allOf(loginNotFound, noSessionStarted, nothingSent),
): Tampering => ({ name, source, change, outcome });

function nothingSent(_answer: Answer, { requestsTo }: World): void {
  expect(requestsTo("/oauth2/token")).toEqual([]);
}

/** Lets the provider return the response in a redirect. */
const returnsByRedirect = ({ change, ...testCase }: Tampering): Case => ({
  ...testCase,
  async attack(world) {
    const { victim, base } = world;
    const callback = await victim.loginUntilCallback(`${base}/login?returnTo=/account`);
    await change(world);
    return victim.visit(callback, { site: "cross-site" });
  },
});

/** Lets the provider post the response. The login cookie is SameSite=None, so that the POST carries it. */
const returnsByForm = ({ change, ...testCase }: Tampering): Case => ({
  ...testCase,
  https: true,
  options: { ...testCase.options, authorizationParams: { response_mode: "form_post" } },
  async attack(world) {
    const { victim, base } = world;
    const page = await victim.visit(`${base}/login?returnTo=/account`);
    await change(world);
    return submitForm(victim, page);
  },
});

/** Sets a cookie with the attributes that the app would set. Over https its name requires Secure. */
const plant = ({ victim, url }: World, name: string, value: string): Promise<unknown> => {
  const attributes = url.startsWith("https:") ? "; Secure; SameSite=None" : "";
  return victim.jar.setCookie(`${name}=${value}; Path=/${attributes}`, url, { loose: true });
};

/** Returns the cookies of the pending logins of a browser. */
const loginCookies = async (browser: "victim" | "attacker", world: World) =>
  (await world[browser].jar.getCookies(world.url)).filter(({ key }) => key.includes("portal-login."));

/** Changes the cookie of the victim's login. */
async function rewrite(world: World, change: (value: string) => string): Promise<void> {
  const [cookie, ...others] = await loginCookies("victim", world);
  expect([cookie, others]).toEqual([expect.anything(), []]);
  await plant(world, String(cookie?.key), change(String(cookie?.value)));
}

const changeLetter = (value: string, at: number) =>
  value.slice(0, at) + (value.at(at) === "A" ? "B" : "A") + value.slice(at + 1);

const RFC7516 = "RFC 7516, section 5.2";
const tampered: Tampering[] = [
  tampering("missing", "RFC 9700, section 4.7", ({ victim }) => victim.jar.removeAllCookies()),
  tampering("empty", OWASP, (world) => rewrite(world, () => "")),
  tampering("garbled", OWASP, (world) => rewrite(world, () => "%E0%A4%A.j:%7B.%01")),
  ...[5, 45, 60, 120].map((at) =>
    tampering(`one letter changed, the ${at}th`, RFC7516, (world) =>
      rewrite(world, (value) => changeLetter(value, at)),
    ),
  ),
  tampering("cut short", RFC7516, (world) => rewrite(world, (value) => value.slice(0, -1))),
  tampering("longer", RFC7516, (world) => rewrite(world, (value) => `${value}A`)),
  tampering("padded", "RFC 7515, section 2", (world) => rewrite(world, (value) => `${value}==`)),
  tampering("in quotes", "RFC 6265, section 4.1.1", (world) => rewrite(world, (value) => `"${value}"`)),
  tampering("replaced by the cookie of another login of the same user", "RFC 9700, section 4.7", copyLogin),
  tampering(
    "swapped with the cookie of another login of the same user",
    "guide, how a login works",
    swapLogins,
    signedIn,
  ),
  tampering("replaced by the cookie of the attacker's login", "RFC 9700, section 4.7", useAttackerCookie),
  tampering("a header without encryption", "RFC 7516, section 4.1", (world) =>
    rewrite(world, () => `${btoa('{"alg":"none"}')}...e30.`),
  ),
  tampering("fifty others that look like ours", "CWE-400", plantFifty, signedIn),
];
describeAttacks("rejects a changed login cookie", tampered.map(returnsByRedirect));
describeAttacks("rejects a changed login cookie, on Express 4", onExpress4(tampered.map(returnsByRedirect)));
describeAttacks(
  "rejects a changed login cookie, of a router with a name",
  tampered.map((testCase) => returnsByRedirect({ ...testCase, options: { name: "staff" } })),
);
describeAttacks(
  "rejects a changed login cookie of a login that returns by form, over https",
  tampered.map(returnsByForm),
);

/** Starts a second login of the victim, and returns the cookies of both. */
async function startSecondLogin(world: World) {
  const [first] = await loginCookies("victim", world);
  await startLogin(world.victim, world.base);
  const second = (await loginCookies("victim", world)).find(({ key }) => key !== first?.key);
  expect([first, second]).not.toContain(undefined);
  return { first, second };
}

/** Replaces the first login's cookie by the second one's. */
async function copyLogin(world: World): Promise<void> {
  const { first, second } = await startSecondLogin(world);
  await plant(world, String(first?.key), String(second?.value));
}

/** Swaps the cookies of two logins. The app finds a login by the content of a cookie, not by its name. */
async function swapLogins(world: World): Promise<void> {
  const { first, second } = await startSecondLogin(world);
  await plant(world, String(first?.key), String(second?.value));
  await plant(world, String(second?.key), String(first?.value));
}

/** Replaces the victim's login cookie by the attacker's. */
async function useAttackerCookie(world: World): Promise<void> {
  await startLogin(world.attacker, world.base);
  const [cookie] = await loginCookies("attacker", world);
  expect(cookie).toBeDefined();
  await rewrite(world, () => String(cookie?.value));
}

async function plantFifty(world: World): Promise<void> {
  const prefix = world.url.startsWith("https:") ? "__Host-portal-login." : "portal-login.";
  for (let index = 0; index < 50; index += 1)
    await plant(world, prefix + String(index).padStart(9, "A"), `x${index}`);
}

/** How a cookie is encrypted. */
interface EncryptedWith {
  readonly secret?: string;
  readonly purpose?: string;
  readonly client?: string;
  readonly callback?: string;
}

/** Encrypts the content of a login's cookie again: with another secret, or for another router or purpose. */
const reencrypted =
  (by: EncryptedWith, change: (content: Buffer) => Buffer = (content) => content) =>
  (world: World): Promise<void> => {
    const encryptionFor = ({
      secret = SESSION_SECRET,
      purpose = "login slot",
      client = CLIENT_ID,
      callback = "/callback",
    }: EncryptedWith) => {
      const router = JSON.stringify([world.provider.issuer, client, world.base + callback]);
      return createByteEncryption([secret], `${purpose} ${router}`);
    };
    return rewrite(world, (value) => {
      const content = [SESSION_SECRET, NEW_SECRET]
        .map((secret) => encryptionFor({ secret }).decrypt(value))
        .find(Boolean);
      return encryptionFor(by).encrypt(change(content as Buffer));
    });
  };

/** Moves the start of the attempt ten minutes back. The time follows the first byte. */
function startedTenMinutesAgo(content: Buffer): Buffer {
  const older = Buffer.from(content);
  older.writeUIntBE(Date.now() - 600_000, 1, 6);
  return older;
}

const KEY_ROTATION = "guide, secret";
const reencryptedCookies: Tampering[] = [
  {
    ...tampering("encrypted with an older secret", KEY_ROTATION, reencrypted({ secret: SESSION_SECRET })),
    options: { secret: NEW_SECRET },
  },
  {
    ...tampering(
      "encrypted with an older secret that is still listed",
      KEY_ROTATION,
      reencrypted({ secret: SESSION_SECRET }),
      signedIn,
    ),
    options: { secret: [NEW_SECRET, SESSION_SECRET] },
  },
  tampering(
    "encrypted again with the secret itself: the login succeeds",
    KEY_ROTATION,
    reencrypted({}),
    signedIn,
  ),
  tampering(
    "encrypted for another client with the same secret",
    "RFC 9700, section 4.4",
    reencrypted({ client: "other" }),
  ),
  tampering(
    "encrypted for another router with the same secret",
    "RFC 9700, section 4.4",
    reencrypted({ callback: "/other/callback" }),
  ),
  tampering("encrypted for a logout", "RFC 5869, section 3.2", reencrypted({ purpose: "logout" })),
  tampering(
    "of a login that was started ten minutes ago",
    "guide, how a login works",
    reencrypted({}, startedTenMinutesAgo),
    allOf(rejectedWith("login_expired"), noSessionStarted, nothingSent),
  ),
];
describeAttacks(
  "rejects login cookies that are encrypted in another way",
  reencryptedCookies.map(returnsByRedirect),
);
describeAttacks(
  "rejects login cookies that are encrypted in another way, on Express 4",
  onExpress4(reencryptedCookies.map(returnsByRedirect)),
);

/** Returns the id of a session, from its cookie's value. */
const idIn = (value: string): string => decodeURIComponent(value).slice(2).split(".")[0] ?? "";

/** Signs the victim in, changes the session cookie, and fetches the guarded page. */
const sessionCookie = (name: string, change: (value: string) => string, more: Partial<Case> = {}): Case => ({
  name: `session: ${name}`,
  source: "OWASP ASVS 4.0, 3.2",
  async attack(world) {
    const { victim, url, base } = world;
    await signIn(world);
    const value = (await victim.cookies(url)).get("portal-session");
    expect(value).toBeDefined();
    await plant(world, "portal-session", change(String(value)));
    return victim.fetch(`${base}/account`);
  },
  outcome: rejectedWith("login_required"),
  ...more,
});

const decoded = (value: string) => decodeURIComponent(value);
const sessionCookies: Case[] = [
  sessionCookie("empty", () => ""),
  sessionCookie("without its signature", (value) => encodeURIComponent(decoded(value).split(".")[0] ?? "")),
  sessionCookie("another id under the old signature", (value) =>
    encodeURIComponent(changeLetter(decoded(value), 4)),
  ),
  sessionCookie("another signature", (value) =>
    encodeURIComponent(changeLetter(decoded(value), decoded(value).length - 3)),
  ),
  sessionCookie("garbled", () => "s%3A%E0%A4%A"),
  sessionCookie("JSON", () => encodeURIComponent('j:{"portal":{"claims":{"sub":"amara-okafor"}}}')),
  sessionCookie("an id of __proto__", () => signSessionId("__proto__")),
  sessionCookie("an id of constructor", () => signSessionId("constructor")),
  sessionCookie("an id that no session has", () => signSessionId("a".repeat(32))),
  sessionCookie("signed with a secret of the attacker", (value) =>
    signSessionId(idIn(value), "a secret of the attacker's"),
  ),
  sessionCookie("signed with an older secret", (value) => signSessionId(idIn(value)), {
    source: KEY_ROTATION,
    options: { secret: NEW_SECRET },
  }),
  sessionCookie("signed with an older secret that is still listed", (value) => signSessionId(idIn(value)), {
    source: KEY_ROTATION,
    options: { secret: [NEW_SECRET, SESSION_SECRET] },
    outcome: signedIn,
  }),
];
describeAttacks("rejects a changed session cookie", sessionCookies);
describeAttacks("rejects a changed session cookie, on Express 4", onExpress4(sessionCookies));

/**
 * Runs a case over https. The owner of a neighbouring host can set cookies for the domain above both, but
 * browsers reject the prefix __Host- in their names.
 */
const overHttps = (name: string, attack: (world: World) => Promise<Answer>, outcome: Outcome): Case => ({
  name,
  source: "RFC 6265bis, section 4.1.3.2; RFC 9700, section 4.7",
  https: true,
  attack,
  outcome,
});

describeAttacks("protects cookies over https, behind a proxy", [
  { name: "a login succeeds", source: "guide, deployment", https: true, outcome: signedIn },
  overHttps(
    "sets only cookies that are Secure, HttpOnly, SameSite and bound to the host by their names",
    async (world) => {
      await signIn(world);
      return world.victim.visit(`${world.base}/logout`, { site: "same-origin" });
    },
    (_answer, { victim, url }) => {
      const ours = victim.answers.filter((answer) => answer.url.startsWith(url));
      const lines = ours.flatMap(({ headers }) => headers["set-cookie"] ?? []);
      expect(lines.length).toBeGreaterThan(2);
      for (const line of lines) expect(line).toMatch(/^__Host-portal-(login\.[\w-]{8}\d|session)=/);
      for (const line of lines)
        expect(line).toMatch(/; Path=\/;(?!.*Domain).*HttpOnly; Secure(; SameSite=Lax)?$/);
    },
  ),
  overHttps(
    "ignores the attacker's login cookie in the victim's browser under a name without the prefix",
    async ({ victim, attacker, base, url }) => {
      attacker.user = { sub: "jonas-weber" };
      const callback = await attacker.loginUntilCallback(`${base}/login`);
      for (const { key, value } of await attacker.jar.getCookies(url))
        await victim.jar.setCookie(`${key.replace("__Host-", "")}=${value}; Path=/; Secure`, url);
      return victim.visit(callback, { site: "cross-site" });
    },
    loginNotFound,
  ),
  overHttps(
    "ignores the attacker's session cookie in the victim's browser under a name without the prefix",
    async (world) => {
      const { victim, attacker, base, url } = world;
      attacker.user = { sub: "jonas-weber" };
      await attacker.visit(`${base}/account`);
      const value = (await attacker.cookies(url)).get("__Host-portal-session");
      expect(value).toBeDefined();
      await victim.jar.setCookie(`portal-session=${value}; Path=/; Secure`, url);
      return victim.fetch(`${base}/account`);
    },
    async ({ status }, { signedInUser, victim }) =>
      void expect([status, await signedInUser(victim)]).toEqual([401, undefined]),
  ),
  overHttps(
    "starts no login for a client that bypasses the proxy, because its cookie could not be Secure",
    ({ attacker, appUrl }) => attacker.navigate(`${appUrl}/login`),
    (answer) => {
      expect(answer.headers["set-cookie"]).toBeUndefined();
      expect([answer.status, answer.body.includes("proxy_not_trusted")]).toEqual([500, true]);
    },
  ),
  overHttps(
    "sets a Secure cookie for a client that bypasses the proxy and claims https",
    ({ attacker, appUrl }) =>
      attacker.navigate(`${appUrl}/login`, { headers: { "x-forwarded-proto": "https" } }),
    ({ status, headers }) => {
      expect([status, headers["set-cookie"]]).toEqual([302, [expect.stringMatching(/^__Host-.*; Secure; /)]]);
    },
  ),
]);
