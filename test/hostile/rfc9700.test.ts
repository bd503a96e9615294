import { createHash } from "node:crypto";
import { decodeJwt } from "jose";
import { expect } from "vitest";
import type { Answer } from "../support/browser.js";
import { CLIENT_ID, CLIENT_SECRET } from "../support/world.js";
import { logInAndOut, logInByForm, logInThenAsk } from "./support/acts.js";
import { attacks, type Case, logIn, type Outcome, stateOf, type World } from "./support/attack.js";
import { submitForm } from "./support/client.js";
import { idTokenOf } from "./support/jwt.js";
import { allOf, notBegunHere, refused, staysHere, staysIn, welcomed } from "./support/outcomes.js";

// The attacks of RFC 9700 (Best Current Practice for OAuth 2.0 Security) and RFC 9207 that reach a client,
// and their results here.

const APPS_SECRET = "a-secret-of-the-apps-own-session";

/** The attacker signs in at the provider and keeps the response. */
async function strangersCallback({ stranger, base }: World, path = "/login"): Promise<URL> {
  stranger.person = { sub: "jonas-weber" };
  return stranger.loginUntilCallback(base + path);
}

const asksToken = ({ asked }: World): URLSearchParams[] =>
  asked("/oauth2/token").map(({ body }) => new URLSearchParams(body));

/** Expects that the code has not left the app. */
const nothingSent: Outcome = (_answer, world) => void expect(asksToken(world)).toEqual([]);

attacks("prevents login CSRF and code injection", [
  {
    name: "the attacker's callback URL in the victim's browser",
    source: "RFC 9700, section 4.7",
    act: async (world) => world.victim.visit(await strangersCallback(world), { site: "cross-site" }),
    outcome: allOf(notBegunHere, nothingSent),
  },
  {
    name: "the attacker's callback URL while the victim has a pending login",
    source: "RFC 9700, section 4.7",
    async act(world) {
      await world.victim.navigate(`${world.base}/login`, { site: "same-origin" });
      return world.victim.visit(await strangersCallback(world), { site: "cross-site" });
    },
    outcome: allOf(notBegunHere, nothingSent),
  },
  {
    name: "the attacker's code with the state of the victim's own login",
    source: "RFC 9700, section 4.5",
    async act(world) {
      const theirs = await strangersCallback(world);
      const mine = await world.victim.loginUntilCallback(`${world.base}/login`, { site: "same-origin" });
      mine.searchParams.set("code", theirs.searchParams.get("code") ?? "");
      return world.victim.visit(mine, { site: "cross-site" });
    },
    outcome: refused("client_refused"), // the provider compares the verifier with the attacker's challenge
  },
  {
    name: "the victim's stolen code with the attacker's own state",
    source: "RFC 9700, section 4.5",
    async act(world) {
      const stolen = await world.victim.loginUntilCallback(`${world.base}/login`, { site: "same-origin" });
      const own = await strangersCallback(world);
      own.searchParams.set("code", stolen.searchParams.get("code") ?? "");
      return world.stranger.visit(own);
    },
    outcome: refused("client_refused"),
  },
  {
    name: "the victim's stolen callback URL in the attacker's browser",
    source: "RFC 9700, section 4.5",
    act: async ({ victim, stranger, base }) =>
      stranger.visit(await victim.loginUntilCallback(`${base}/login`, { site: "same-origin" })),
    outcome: allOf(notBegunHere, nothingSent),
  },
  {
    name: "a login forced by an image or a script of another site",
    source: "RFC 9700, section 4.7",
    act: ({ victim, base }) =>
      victim.fetch(`${base}/login`, {
        site: "cross-site",
        headers: { "sec-fetch-mode": "no-cors", accept: "image/*" },
      }),
    outcome: (answer, world) => {
      expect(answer.headers["set-cookie"]).toBeUndefined();
      return refused("navigation_required")(answer, world);
    },
  },
]);

/** Here the login's cookie travels with another site's POST. */
const byForm = { https: true, options: { authorizationParams: { response_mode: "form_post" } } } as const;

/** The page by which the provider would post its response, for a login of the attacker's. */
async function strangersForm({ stranger, base }: World): Promise<Answer> {
  stranger.person = { sub: "jonas-weber" };
  return stranger.visit(`${base}/login`);
}

const codeIn = ({ body }: Answer): string => /name="code" value="([^"]*)"/.exec(body)?.[1] ?? "";

attacks("prevents login CSRF and code injection, if the provider posts its response", [
  {
    ...byForm,
    name: "the attacker's form in the victim's browser",
    source: "RFC 9700, section 4.7",
    act: async (world) => submitForm(world.victim, await strangersForm(world)),
    outcome: allOf(notBegunHere, nothingSent),
  },
  {
    ...byForm,
    name: "the attacker's form while the victim has a pending login",
    source: "RFC 9700, section 4.7",
    async act(world) {
      await world.victim.navigate(`${world.base}/login`, { site: "same-origin" });
      return submitForm(world.victim, await strangersForm(world));
    },
    outcome: allOf(notBegunHere, nothingSent),
  },
  {
    ...byForm,
    name: "the victim's own form after the attacker's, which has not used up the login",
    source: "RFC 9700, section 4.7",
    async act(world) {
      const own = await world.victim.visit(`${world.base}/account`);
      const { status } = await submitForm(world.victim, await strangersForm(world));
      expect([status, asksToken(world)]).toEqual([400, []]);
      return submitForm(world.victim, own);
    },
    outcome: allOf(welcomed, (_answer, world) => void expect(asksToken(world)).toHaveLength(1)),
  },
  {
    ...byForm,
    name: "the attacker's code in the victim's own form",
    source: "RFC 9700, section 4.5",
    async act(world) {
      const own = await world.victim.visit(`${world.base}/account`);
      const theirs = await strangersForm(world);
      return submitForm(world.victim, { ...own, body: own.body.replace(codeIn(own), codeIn(theirs)) });
    },
    outcome: allOf(refused("client_refused"), (_answer, { asked, stranger, victim }) => {
      const [own, theirs] = [victim, stranger].map(({ answers }) => answers.map(codeIn).find(Boolean));
      expect(own).not.toBe(theirs);
      expect(asked("/oauth2/token").map(({ body }) => new URLSearchParams(body).get("code"))).toEqual([
        theirs,
      ]);
    }),
  },
]);

/**
 * The URL of the victim's login at the provider, where an attacker in the browser requests another response
 * mode.
 */
async function beginAnsweredBy(mode: "query" | "form_post", { victim, base }: World): Promise<URL> {
  const { headers } = await victim.navigate(`${base}/login?returnTo=/account`, { site: "same-origin" });
  const address = new URL(headers.location ?? "");
  address.searchParams.set("response_mode", mode);
  return address;
}

attacks("checks responses in another mode than requested", [
  {
    name: "a form, although a redirect was requested: it is checked alike",
    source: "OAuth 2.0 Form Post Response Mode, section 2",
    act: async (world) =>
      submitForm(world.victim, await world.victim.visit(await beginAnsweredBy("form_post", world))),
    outcome: welcomed,
  },
  {
    ...byForm,
    name: "a redirect, although a form was requested: it is checked alike, and the earlier session ends",
    source: "OAuth 2.0 Form Post Response Mode, section 2; CWE-384",
    async act(world) {
      const { victim, stranger, base, url } = world;
      await logInByForm(world);
      const before = await victim.jar.getCookieString(url);
      const address = await victim.loginUntilCallback(await beginAnsweredBy("query", world));
      const answer = await victim.visit(address, { site: "cross-site" });
      expect((await stranger.fetch(`${base}/account`, { headers: { cookie: before } })).status).toBe(401);
      return answer;
    },
    outcome: welcomed,
  },
  {
    ...byForm,
    name: "the attacker's URL, although the victim's login has requested a form",
    source: "RFC 9700, section 4.7",
    async act(world) {
      await world.victim.navigate(`${world.base}/login`, { site: "same-origin" });
      const begun = await world.stranger.navigate(`${world.base}/login`);
      const address = new URL(begun.headers.location ?? "");
      address.searchParams.set("response_mode", "query");
      return world.victim.visit(await world.stranger.loginUntilCallback(address), { site: "cross-site" });
    },
    outcome: allOf(notBegunHere, nothingSent),
  },
]);

/**
 * Finishes the victim's login, and returns what a thief could have copied before: the callback's URL and the
 * cookies.
 */
async function finishedLogin({ victim, base, url }: World): Promise<{ address: URL; cookie: string }> {
  const address = await victim.loginUntilCallback(`${base}/login?returnTo=/account`, { site: "same-origin" });
  const cookie = await victim.jar.getCookieString(url);
  await victim.visit(address, { site: "cross-site" });
  return { address, cookie };
}

attacks("replay", [
  {
    name: "of the callback, after the login: it leads to the page, and no code is sent",
    source: "RFC 6749, section 10.5",
    async act(world) {
      const address = await world.victim.loginUntilCallback(`${world.base}/login?returnTo=/account`, {
        site: "same-origin",
      });
      await world.victim.visit(address, { site: "cross-site" });
      return world.victim.visit(address, { site: "cross-site" });
    },
    outcome: allOf(welcomed, (_answer, world) => void expect(asksToken(world)).toHaveLength(1)),
  },
  {
    name: "of the callback, after the logout: no user is signed in by it",
    source: "RFC 6749, section 10.5",
    async act(world) {
      const address = await world.victim.loginUntilCallback(`${world.base}/login`, { site: "same-origin" });
      await world.victim.visit(address, { site: "cross-site" });
      await world.victim.visit(`${world.base}/logout`, { site: "same-origin" });
      return world.victim.visit(address, { site: "cross-site" });
    },
    async outcome(answer, world) {
      staysHere(answer, world);
      expect([await world.whoIs(world.victim), asksToken(world).length]).toEqual([undefined, 1]);
    },
  },
  {
    name: "of the callback with the earlier cookie, more than ten seconds later, as a thief of both would",
    source: "RFC 6749, section 4.1.2",
    async act(world) {
      const { address, cookie } = await finishedLogin(world);
      await world.host.later(11);
      return world.stranger.navigate(address, { headers: { cookie } });
    },
    async outcome(answer, world) {
      expect([answer.status, answer.headers.location]).toEqual([303, "/account"]);
      expect(asksToken(world)).toHaveLength(1);
      expect(await world.whoIs(world.stranger)).toBeUndefined();
    },
  },
  {
    name: "of the callback with the earlier cookie, at once, as a double click would: it shares the login",
    source: "RFC 6749, section 4.1.2",
    async act(world) {
      const { victim, base } = world;
      const { address, cookie } = await finishedLogin(world);
      await victim.jar.removeAllCookies(); // the response with the session's cookie never arrived
      const again = await victim.navigate(address, { site: "cross-site", headers: { cookie } });
      expect([again.status, again.headers.location]).toEqual([303, "/account"]);
      return victim.visit(`${base}/account`);
    },
    outcome: allOf(welcomed, (_answer, world) => void expect(asksToken(world)).toHaveLength(1)),
  },
  {
    name: "of the cookie and state of a finished login, with a code of the attacker's choice",
    source: "RFC 9700, section 4.5",
    async act(world) {
      const { address, cookie } = await finishedLogin(world);
      address.searchParams.set("code", "whatever");
      return world.stranger.navigate(address, { headers: { cookie } });
    },
    async outcome(answer, world) {
      await staysIn("login_state_reused")(answer, world);
      expect(asksToken(world)).toHaveLength(1);
      expect(await world.whoIs(world.stranger)).toBeUndefined();
    },
  },
  {
    name: "of state: a second session at the provider cannot use a state again",
    source: "RFC 9700, section 4.7",
    async act(world) {
      const address = await world.victim.loginUntilCallback(`${world.base}/login`, { site: "same-origin" });
      await world.victim.visit(address, { site: "cross-site" });
      await world.victim.visit(`${world.base}/logout`, { site: "same-origin" });
      const theirs = await strangersCallback(world);
      theirs.searchParams.set("state", stateOf(address));
      return world.victim.visit(theirs, { site: "cross-site" });
    },
    async outcome(_answer, world) {
      expect([await world.whoIs(world.victim), asksToken(world).length]).toEqual([undefined, 1]);
    },
  },
  {
    name: "of nonce: an ID token of an earlier login",
    source: "OpenID Connect Core 1.0, section 15.5.2",
    portal: { document: "full" },
    act: replayIdToken,
    outcome: refused("id_token_invalid"), // by its at_hash
  },
  {
    name: "of nonce, if the provider sends no at_hash",
    source: "OpenID Connect Core 1.0, section 15.5.2",
    act: replayIdToken,
    outcome: refused("nonce_mismatch"),
  },
]);

async function replayIdToken(world: World): Promise<Answer> {
  await logIn(world);
  const old = idTokenOf(world.portal);
  await world.victim.jar.removeAllCookies();
  world.portal.nextIdToken({ forge: () => old });
  return logIn(world);
}

attacks("session fixation", [
  {
    name: "an id that was planted before the login is worthless after it",
    source: "RFC 9700, section 4.7.1; CWE-384",
    app: { ownSession: { secret: APPS_SECRET, saveUninitialized: true } },
    async act(world) {
      await world.stranger.visit(`${world.base}/`);
      const planted = (await world.stranger.cookies(world.url)).get("connect.sid");
      await world.victim.jar.setCookie(`connect.sid=${planted}; Path=/`, world.url);
      return logIn(world);
    },
    async outcome(answer, world) {
      await welcomed(answer, world);
      expect(await world.whoIs(world.stranger)).toBeUndefined();
    },
  },
  {
    name: "the id from before a second login ends with it",
    source: "CWE-384",
    async act(world) {
      await logIn(world);
      const before = await world.victim.jar.getCookieString(world.url);
      const answer = await world.victim.visit(`${world.base}/login?returnTo=/account`, {
        site: "same-origin",
      });
      expect(
        (await world.stranger.fetch(`${world.base}/account`, { headers: { cookie: before } })).status,
      ).toBe(401);
      return answer;
    },
    outcome: welcomed,
  },
]);

attacks("prevents session fixation, if the provider posts its response", [
  {
    name: "the POST creates no session, although the app creates one for each request; the earlier one ends",
    source: "CWE-613; express-session's default, saveUninitialized: true",
    options: { authorizationParams: { response_mode: "form_post" } },
    app: { ownSession: { secret: APPS_SECRET, saveUninitialized: true, cookie: { sameSite: "lax" } } },
    async act(world) {
      const { victim, stranger, base, url } = world;
      await logInByForm(world);
      const before = await victim.jar.getCookieString(url);
      const page = await victim.visit(`${base}/login?returnTo=/account`, { site: "same-origin" });
      const answers = victim.answers.length;
      const answer = await submitForm(victim, page);
      expect(victim.answers[answers]?.headers["set-cookie"]).toBeUndefined(); // that of the POST
      expect((await stranger.fetch(`${base}/account`, { headers: { cookie: before } })).status).toBe(401);
      return answer;
    },
    outcome: welcomed,
  },
  {
    name: "of two tabs that sign in, the session of the first ends with the second",
    source: "CWE-613",
    options: { authorizationParams: { response_mode: "form_post" } },
    async act({ victim, stranger, base, url }) {
      const tabs = [await victim.visit(`${base}/account`), await victim.visit(`${base}/account`)] as const;
      await submitForm(victim, tabs[0]);
      const first = await victim.jar.getCookieString(url);
      const answer = await submitForm(victim, tabs[1]);
      expect((await stranger.fetch(`${base}/account`, { headers: { cookie: first } })).status).toBe(401);
      return answer;
    },
    outcome: welcomed,
  },
  {
    name: "the id from before a second login ends with it, although its cookie does not travel with the POST",
    source: "CWE-384",
    options: { authorizationParams: { response_mode: "form_post" } },
    async act(world) {
      await logInByForm(world);
      const before = await world.victim.jar.getCookieString(world.url);
      const answer = await submitForm(
        world.victim,
        await world.victim.visit(`${world.base}/login?returnTo=/account`, { site: "same-origin" }),
      );
      expect(
        (await world.stranger.fetch(`${world.base}/account`, { headers: { cookie: before } })).status,
      ).toBe(401);
      return answer;
    },
    outcome: welcomed,
  },
]);

attacks("prevents mix-up by checking iss", [
  ...(["full", "portal"] as const).flatMap((document) =>
    (
      [
        ["of another provider", (iss: string) => `${iss}.evil.example`],
        ["with an added slash", (iss: string) => `${iss}/`],
        ["in capitals", (iss: string) => iss.toUpperCase()],
      ] as const
    ).map(
      ([what, change]): Case => ({
        name: `iss ${what}, where ${document === "full" ? "it" : "none"} is announced (fapi2-security-profile-final-client-test-invalid-authorization-response-iss)`,
        source: "RFC 9207, section 2.4",
        portal: { document },
        async act({ victim, base, portal: provider }) {
          const address = await victim.loginUntilCallback(`${base}/login`, { site: "same-origin" });
          address.searchParams.set("iss", change(provider.issuer));
          return victim.visit(address, { site: "cross-site" });
        },
        outcome: allOf(refused("response_issuer_mismatch"), nothingSent),
      }),
    ),
  ),
  {
    name: "fapi2-security-profile-final-client-test-remove-authorization-response-iss",
    source: "RFC 9207, section 2.4",
    portal: { document: "full" },
    async act({ victim, base }) {
      const address = await victim.loginUntilCallback(`${base}/login`, { site: "same-origin" });
      address.searchParams.delete("iss");
      return victim.visit(address, { site: "cross-site" });
    },
    outcome: allOf(refused("response_issuer_mismatch"), nothingSent),
  },
  {
    name: "an error with the iss of another provider uses up the login, and signs no user in",
    source: "RFC 9207, section 2.4",
    portal: { document: "full" },
    async act({ victim, base }) {
      const good = await victim.loginUntilCallback(`${base}/login`, { site: "same-origin" });
      const state = stateOf(good);
      const bad = await victim.visit(
        `${base}/callback?state=${state}&error=access_denied&iss=https://evil.example`,
      );
      const later = await victim.navigate(good, { site: "cross-site" });
      // as for every login that is used up
      expect([later.status, later.headers.location]).toEqual([303, "/"]);
      return bad;
    },
    outcome: allOf(refused("response_issuer_mismatch"), nothingSent),
  },
  {
    name: "an error without the iss that was announced",
    source: "RFC 9207, section 2.4",
    portal: { document: "full" },
    act: (world) => refuseAtPortal(world, (answer) => answer.delete("iss")),
    outcome: allOf(refused("response_issuer_mismatch"), nothingSent),
  },
  {
    name: "an error with the right iss is the provider's own: it is reported as such",
    source: "RFC 9207, section 2.4; RFC 6749, section 4.1.2.1",
    portal: { document: "full" },
    act: (world) => refuseAtPortal(world, (answer) => expect(answer.get("iss")).toBe(world.portal.issuer)),
    outcome: allOf(refused("login_denied"), nothingSent),
  },
  {
    name: "an error without iss, where none is announced",
    source: "RFC 9207, section 2.4; RFC 6749, section 4.1.2.1",
    act: (world) => refuseAtPortal(world, (answer) => expect(answer.get("iss")).toBeNull()),
    outcome: allOf(refused("login_denied"), nothingSent),
  },
]);

/** The victim cancels at the provider, and the response is changed, or inspected, on the way. */
async function refuseAtPortal(
  { victim, base }: World,
  change: (answer: URLSearchParams) => unknown,
): Promise<Answer> {
  victim.person = { deny: "" };
  const address = await victim.loginUntilCallback(`${base}/login`, { site: "same-origin" });
  expect(address.searchParams.get("error")).toBe("access_denied");
  change(address.searchParams);
  return victim.visit(address, { site: "cross-site" });
}

/** Changes one parameter on the browser's way to the provider. */
const downgraded = (name: string, change: (parameters: URLSearchParams) => void, outcome: Outcome): Case => ({
  name: `PKCE: ${name}`,
  source: "RFC 9700, section 4.8; RFC 7636, section 7.2",
  async act({ victim, base }) {
    const begun = await victim.navigate(`${base}/login?returnTo=/account`, { site: "same-origin" });
    const address = new URL(begun.headers.location ?? "");
    change(address.searchParams);
    return victim.visit(await victim.loginUntilCallback(address), { site: "cross-site" });
  },
  outcome,
});

attacks("PKCE downgrade", [
  downgraded(
    "the challenge removed on the way",
    (parameters) => {
      parameters.delete("code_challenge");
      parameters.delete("code_challenge_method");
    },
    refused("client_refused"),
  ),
  downgraded(
    "a challenge of the attacker's",
    (parameters) => {
      parameters.set("code_challenge", "a".repeat(43));
    },
    refused("client_refused"),
  ),
  {
    name: "PKCE: each login has its own verifier, with its SHA-256 as challenge; the secret is sent as well",
    source: "RFC 9700, section 2.1.1",
    async act(world) {
      await logIn(world);
      await world.victim.jar.removeAllCookies();
      return logIn(world);
    },
    outcome: allOf(welcomed, (_answer, world) => {
      const verifiers = asksToken(world).map((form) => form.get("code_verifier") ?? "");
      expect(verifiers.map((verifier) => verifier.length)).toEqual([43, 43]);
      expect(new Set(verifiers).size).toBe(2);
      const begun = world.asked("/oauth2/authorize").map(({ url }) => new URLSearchParams(url.split("?")[1]));
      const challenges = begun.filter((query) => query.has("code_challenge"));
      expect(challenges.map((query) => query.get("code_challenge_method"))).toEqual(["S256", "S256"]);
      const hashes = verifiers.map((verifier) => createHash("sha256").update(verifier).digest("base64url"));
      expect(challenges.map((query) => query.get("code_challenge"))).toEqual(hashes);
      expect(asksToken(world).map((form) => form.get("client_secret"))).toEqual([
        CLIENT_SECRET,
        CLIENT_SECRET,
      ]);
    }),
  },
]);

attacks("hides codes and tokens from URLs, referrers, frames and caches", [
  {
    name: "no response of ours is cached or framed, or sends its URL to the next site",
    source: "RFC 9700, section 4.2.4; RFC 6749, section 10.13",
    async act(world) {
      await logInAndOut(world);
      await world.victim.visit(`${world.base}/callback?state=a&code=secret-code-in-an-address`);
      return world.victim.visit(`${world.base}/logout`, { site: "cross-site" });
    },
    outcome(_answer, { victim, url }) {
      const ours = victim.answers.filter(
        ({ url: at }) => at.startsWith(url) && /\/(login|callback|logout)\b/.test(at),
      );
      expect(ours.length).toBeGreaterThan(3);
      for (const { headers } of ours) {
        expect(headers["referrer-policy"]).toBe("no-referrer");
        expect(headers["cache-control"]).toBe("no-store");
        expect(headers["x-frame-options"]).toBe("DENY");
        expect(headers["content-security-policy"]).toMatch(/default-src 'none'.*frame-ancestors 'none'/);
      }
    },
  },
  {
    name: "a page of ours loads nothing from any site",
    source: "RFC 9700, section 4.2.4",
    act: ({ victim, base }) => victim.visit(`${base}/callback?state=a&code=secret-code-in-an-address`),
    outcome({ body }) {
      expect(body).not.toMatch(/<script|<img|<link|src=|url\(|@import/i);
      expect(body).not.toContain("secret-code");
    },
  },
  {
    name: "no token is in a URL, neither to the provider nor to the app",
    source: "RFC 9700, section 4.3.2; RFC 6750, section 5.3",
    async act(world) {
      world.portal.nextTokenResponse({ expires_in: 0 });
      const answer = await logInThenAsk("/userinfo")(world);
      await world.victim.visit(`${world.base}/logout`, { site: "same-origin" });
      return answer;
    },
    outcome({ status }, { portal: provider, victim }) {
      expect(status).toBe(200);
      expect(provider.issued.length).toBeGreaterThan(4); // of the login and of the refresh
      const addresses = [...provider.requests.map(({ url }) => url), ...victim.answers.map(({ url }) => url)];
      for (const token of provider.issued)
        expect(addresses.filter((address) => address.includes(token))).toEqual([]);
    },
  },
  {
    name: "only the ID token, as the hint that RP-initiated logout requires for other providers",
    source: "OpenID Connect RP-Initiated Logout 1.0, section 2",
    portal: { document: "full" },
    act: logInAndOut,
    outcome(_answer, { portal: provider }) {
      const withToken = provider.requests.filter(({ url }) =>
        provider.issued.some((token) => url.includes(token)),
      );
      expect(withToken.map(({ path }) => path)).toEqual(["/logout"]);
      const hint = new URLSearchParams(withToken[0]?.url.split("?")[1]).get("id_token_hint") ?? "";
      expect(decodeJwt(hint)).toMatchObject({ aud: CLIENT_ID, sub: "amara-okafor" });
    },
  },
  {
    name: "cookies are HttpOnly and SameSite, and bound to this host",
    source: "RFC 6265, section 4.1.2; OWASP ASVS 4.0, 3.4",
    act: logInAndOut,
    outcome(_answer, { victim, url }) {
      const lines = victim.answers
        .filter(({ url: at }) => at.startsWith(url))
        .flatMap(({ headers }) => headers["set-cookie"] ?? []);
      expect(lines.length).toBeGreaterThan(2);
      for (const line of lines) expect(line).toMatch(/^portal-[^;]*;.*Path=\/;(?=.*HttpOnly)(?!.*Domain)/i);
      for (const line of lines.filter((each) => !/Expires=Thu, 01 Jan 1970/.test(each)))
        expect(line).toMatch(/SameSite=Lax/i);
    },
  },
]);

/** Returns the statuses of the app's responses at one of its paths, which gets only POST requests here. */
const redirectsAt =
  (path: string, expected: readonly number[]): Outcome =>
  (_answer, { victim, base }) => {
    const answers = victim.answers.filter(({ url }) => url === base + path);
    expect(answers.map(({ status }) => status)).toEqual(expected);
  };

attacks("redirects after a POST with 303, so that browsers do not repeat it", [
  {
    ...byForm,
    name: "of the provider's form, and of the same again",
    source: "RFC 9700, section 4.12",
    async act({ victim, base }) {
      const page = await victim.visit(`${base}/account`);
      await submitForm(victim, page);
      return submitForm(victim, page);
    },
    outcome: allOf(welcomed, redirectsAt("/callback", [303, 303])),
  },
  {
    name: "of a logout, which is a page, because browsers apply form-action to redirects",
    source: "RFC 9700, section 4.12; Content Security Policy Level 3, section 6.4.1",
    async act(world) {
      await logIn(world);
      return world.victim.visit(`${world.base}/logout`, { method: "POST", site: "same-origin", form: {} });
    },
    outcome: allOf(redirectsAt("/logout", [200]), async (_answer, { victim, whoIs }) => {
      expect(await whoIs(victim)).toBeUndefined();
    }),
  },
]);

/** Another site sends the victim's browser to /logout. */
const forgedLogout = (name: string, status: number, act: (world: World) => Promise<Answer>): Case => ({
  name: `logout: ${name}`,
  source: "RFC 9700, section 4.7; OWASP CSRF",
  async act(world) {
    await logIn(world);
    return act(world);
  },
  async outcome(answer, { whoIs, victim }) {
    expect(answer.status, answer.body).toBe(status);
    expect(await whoIs(victim)).toBe("amara-okafor");
  },
});
/** A user sees a question, a program gets an error, a prefetch is rejected, and HEAD has no effect. */
const [ASKED, TOLD, NOT_AHEAD, NOTHING] = [200, 403, 503, 204] as const;
attacks("asks before a logout that the user may not have requested", [
  forgedLogout("a link in an e-mail, which another site redirects here", ASKED, ({ victim, base }) =>
    victim.visit(`${base}/logout`, { site: "none" }),
  ),
  ...["object", "embed", "iframe"].map((dest) =>
    forgedLogout(`an <${dest}> on this site`, ASKED, ({ victim, base }) =>
      victim.navigate(`${base}/logout`, { site: "same-origin", headers: { "sec-fetch-dest": dest } }),
    ),
  ),
  forgedLogout("a link on another site", ASKED, ({ victim, base }) =>
    victim.visit(`${base}/logout`, { site: "cross-site" }),
  ),
  forgedLogout("a form on another site", ASKED, ({ victim, base }) =>
    victim.visit(`${base}/logout`, { method: "POST", site: "cross-site", form: {} }),
  ),
  forgedLogout("a link on a neighbouring site", ASKED, ({ victim, base }) =>
    victim.visit(`${base}/logout`, { site: "same-site" }),
  ),
  forgedLogout("an image on this site", TOLD, ({ victim, base }) =>
    victim.fetch(`${base}/logout`, { headers: { "sec-fetch-mode": "no-cors" } }),
  ),
  ...(
    [
      ["an <img crossorigin>", "cors", "image"],
      ["a <track> that falls back", "same-origin", "track"],
      ["a font of a style", "cors", "font"],
      ["a preload", "cors", "empty"],
    ] as const
  ).map(([what, mode, dest]) =>
    forgedLogout(`${what} on this site`, TOLD, ({ victim, base }) =>
      victim.fetch(`${base}/logout`, { headers: { "sec-fetch-mode": mode, "sec-fetch-dest": dest } }),
    ),
  ),
  forgedLogout("a script on another site", TOLD, ({ victim, base }) =>
    victim.fetch(`${base}/logout`, { method: "POST", site: "cross-site" }),
  ),
  forgedLogout("an old browser without Fetch Metadata", ASKED, ({ victim, base }) =>
    victim.navigate(`${base}/logout`, { old: true }),
  ),
  forgedLogout("an old browser, by a form with a made-up confirmation", ASKED, ({ victim, base }) =>
    victim.navigate(`${base}/logout`, { old: true, method: "POST", form: { confirmation: "a.b.c" } }),
  ),
  forgedLogout(
    "an old browser, by the confirmation that the attacker received",
    ASKED,
    async ({ victim, stranger, base }) => {
      await stranger.visit(`${base}/login`);
      const page = await stranger.navigate(`${base}/logout`, { old: true });
      const confirmation = /name="confirmation" value="([^"]*)"/.exec(page.body)?.[1] ?? "";
      expect(confirmation).not.toBe("");
      return victim.navigate(`${base}/logout`, { old: true, method: "POST", form: { confirmation } });
    },
  ),
  forgedLogout("a prefetch", NOT_AHEAD, ({ victim, base }) =>
    victim.navigate(`${base}/logout`, { site: "same-origin", headers: { "sec-purpose": "prefetch" } }),
  ),
  forgedLogout("HEAD", NOTHING, ({ victim, base }) =>
    victim.navigate(`${base}/logout`, { method: "HEAD", site: "same-origin" }),
  ),
]);
