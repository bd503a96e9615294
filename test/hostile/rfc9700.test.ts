import { createHash } from "node:crypto";
import { decodeJwt } from "jose";
import { expect } from "vitest";
import type { Answer } from "../support/browser.js";
import { CLIENT_ID, CLIENT_SECRET } from "../support/world.js";
import { type Case, describeAttacks, type Outcome, readState, signIn, type World } from "./support/attack.js";
import { submitForm } from "./support/client.js";
import { findIdToken } from "./support/jwt.js";
import {
  allOf,
  loginNotFound,
  redirectStaysOnSite,
  rejectedWith,
  signedIn,
  staysSignedIn,
} from "./support/outcomes.js";
import { signInAndOut, signInByForm, signInThenFetch } from "./support/sign-in-steps.js";

// The attacks of RFC 9700 (Best Current Practice for OAuth 2.0 Security) and RFC 9207 that concern a client.

const OWN_SESSION_SECRET = "a-secret-of-the-apps-own-session";

/** Signs the attacker in at the provider, and returns the callback URL without visiting it. */
async function attackersCallback({ attacker, base }: World, path = "/login"): Promise<URL> {
  attacker.user = { sub: "jonas-weber" };
  return attacker.loginUntilCallback(base + path);
}

/** Returns the forms that the app has sent to the token endpoint. */
const tokenForms = ({ requestsTo }: World): URLSearchParams[] =>
  requestsTo("/oauth2/token").map(({ body }) => new URLSearchParams(body));

/** Expects that the app has sent no code. */
const noCodeSent: Outcome = (_answer, world) => void expect(tokenForms(world)).toEqual([]);

describeAttacks("prevents login CSRF and code injection", [
  {
    name: "the attacker's callback URL in the victim's browser",
    source: "RFC 9700, section 4.7",
    attack: async (world) => world.victim.visit(await attackersCallback(world), { site: "cross-site" }),
    outcome: allOf(loginNotFound, noCodeSent),
  },
  {
    name: "the attacker's callback URL while the victim has a pending login",
    source: "RFC 9700, section 4.7",
    async attack(world) {
      await world.victim.navigate(`${world.base}/login`, { site: "same-origin" });
      return world.victim.visit(await attackersCallback(world), { site: "cross-site" });
    },
    outcome: allOf(loginNotFound, noCodeSent),
  },
  {
    name: "the attacker's code with the state of the victim's own login",
    source: "RFC 9700, section 4.5",
    async attack(world) {
      const attackers = await attackersCallback(world);
      const victims = await world.victim.loginUntilCallback(`${world.base}/login`, { site: "same-origin" });
      victims.searchParams.set("code", attackers.searchParams.get("code") ?? "");
      return world.victim.visit(victims, { site: "cross-site" });
    },
    // the provider compares the victim's verifier with the attacker's challenge
    outcome: rejectedWith("client_refused"),
  },
  {
    name: "the victim's stolen code with the attacker's own state",
    source: "RFC 9700, section 4.5",
    async attack(world) {
      const stolen = await world.victim.loginUntilCallback(`${world.base}/login`, { site: "same-origin" });
      const own = await attackersCallback(world);
      own.searchParams.set("code", stolen.searchParams.get("code") ?? "");
      return world.attacker.visit(own);
    },
    outcome: rejectedWith("client_refused"),
  },
  {
    name: "the victim's stolen callback URL in the attacker's browser",
    source: "RFC 9700, section 4.5",
    attack: async ({ victim, attacker, base }) =>
      attacker.visit(await victim.loginUntilCallback(`${base}/login`, { site: "same-origin" })),
    outcome: allOf(loginNotFound, noCodeSent),
  },
  {
    name: "a login forced by an image or a script of another site",
    source: "RFC 9700, section 4.7",
    attack: ({ victim, base }) =>
      victim.fetch(`${base}/login`, {
        site: "cross-site",
        headers: { "sec-fetch-mode": "no-cors", accept: "image/*" },
      }),
    outcome: (answer, world) => {
      expect(answer.headers["set-cookie"]).toBeUndefined();
      return rejectedWith("navigation_required")(answer, world);
    },
  },
]);

/** A provider that posts its response. Over https the login's cookie travels with this POST. */
const byForm = { https: true, options: { authorizationParams: { response_mode: "form_post" } } } as const;

/** Returns the page with which the provider would post its response to the attacker's login. */
async function attackersForm({ attacker, base }: World): Promise<Answer> {
  attacker.user = { sub: "jonas-weber" };
  return attacker.visit(`${base}/login`);
}

const codeIn = ({ body }: Answer): string => /name="code" value="([^"]*)"/.exec(body)?.[1] ?? "";

describeAttacks("prevents login CSRF and code injection, if the provider posts its response", [
  {
    ...byForm,
    name: "the attacker's form in the victim's browser",
    source: "RFC 9700, section 4.7",
    attack: async (world) => submitForm(world.victim, await attackersForm(world)),
    outcome: allOf(loginNotFound, noCodeSent),
  },
  {
    ...byForm,
    name: "the attacker's form while the victim has a pending login",
    source: "RFC 9700, section 4.7",
    async attack(world) {
      await world.victim.navigate(`${world.base}/login`, { site: "same-origin" });
      return submitForm(world.victim, await attackersForm(world));
    },
    outcome: allOf(loginNotFound, noCodeSent),
  },
  {
    ...byForm,
    name: "the victim's own form after the attacker's, which has not used up the login",
    source: "RFC 9700, section 4.7",
    async attack(world) {
      const own = await world.victim.visit(`${world.base}/account`);
      const { status } = await submitForm(world.victim, await attackersForm(world));
      expect([status, tokenForms(world)]).toEqual([400, []]);
      return submitForm(world.victim, own);
    },
    outcome: allOf(signedIn, (_answer, world) => void expect(tokenForms(world)).toHaveLength(1)),
  },
  {
    ...byForm,
    name: "the attacker's code in the victim's own form",
    source: "RFC 9700, section 4.5",
    async attack(world) {
      const own = await world.victim.visit(`${world.base}/account`);
      const attackers = await attackersForm(world);
      return submitForm(world.victim, { ...own, body: own.body.replace(codeIn(own), codeIn(attackers)) });
    },
    outcome: allOf(rejectedWith("client_refused"), (_answer, { requestsTo, attacker, victim }) => {
      const firstCode = ({ answers }: World["victim"]) => answers.map(codeIn).find(Boolean);
      expect(firstCode(victim)).not.toBe(firstCode(attacker));
      const sent = requestsTo("/oauth2/token").map(({ body }) => new URLSearchParams(body).get("code"));
      expect(sent).toEqual([firstCode(attacker)]);
    }),
  },
]);

/** Starts a login of the victim, and returns its URL at the provider, changed to another response mode. */
async function startLoginInMode(mode: "query" | "form_post", { victim, base }: World): Promise<URL> {
  const { headers } = await victim.navigate(`${base}/login?returnTo=/account`, { site: "same-origin" });
  const authorization = new URL(headers.location ?? "");
  authorization.searchParams.set("response_mode", mode);
  return authorization;
}

describeAttacks("checks a response alike if its mode is not the requested one", [
  {
    name: "a form instead of the requested redirect",
    source: "OAuth 2.0 Form Post Response Mode, section 2",
    attack: async (world) =>
      submitForm(world.victim, await world.victim.visit(await startLoginInMode("form_post", world))),
    outcome: signedIn,
  },
  {
    ...byForm,
    name: "a redirect instead of the requested form: the earlier session ends",
    source: "OAuth 2.0 Form Post Response Mode, section 2; CWE-384",
    async attack(world) {
      const { victim, attacker, base, url } = world;
      await signInByForm(world);
      const before = await victim.jar.getCookieString(url);
      const callback = await victim.loginUntilCallback(await startLoginInMode("query", world));
      const answer = await victim.visit(callback, { site: "cross-site" });
      expect((await attacker.fetch(`${base}/account`, { headers: { cookie: before } })).status).toBe(401);
      return answer;
    },
    outcome: signedIn,
  },
  {
    ...byForm,
    name: "the attacker's callback URL, while the victim's login has requested a form",
    source: "RFC 9700, section 4.7",
    async attack(world) {
      await world.victim.navigate(`${world.base}/login`, { site: "same-origin" });
      const { headers } = await world.attacker.navigate(`${world.base}/login`);
      const authorization = new URL(headers.location ?? "");
      authorization.searchParams.set("response_mode", "query");
      const callback = await world.attacker.loginUntilCallback(authorization);
      return world.victim.visit(callback, { site: "cross-site" });
    },
    outcome: allOf(loginNotFound, noCodeSent),
  },
]);

/** Finishes the victim's login. Returns its callback URL, and the cookies that the browser had before. */
async function finishLogin({ victim, base, url }: World): Promise<{ callback: URL; cookie: string }> {
  const callback = await victim.loginUntilCallback(`${base}/login?returnTo=/account`, {
    site: "same-origin",
  });
  const cookie = await victim.jar.getCookieString(url);
  await victim.visit(callback, { site: "cross-site" });
  return { callback, cookie };
}

describeAttacks("prevents replays", [
  {
    name: "of the callback after the login: it leads to the page, and no code is sent",
    source: "RFC 6749, section 10.5",
    async attack(world) {
      const callback = await world.victim.loginUntilCallback(`${world.base}/login?returnTo=/account`, {
        site: "same-origin",
      });
      await world.victim.visit(callback, { site: "cross-site" });
      return world.victim.visit(callback, { site: "cross-site" });
    },
    outcome: allOf(signedIn, (_answer, world) => void expect(tokenForms(world)).toHaveLength(1)),
  },
  {
    name: "of the callback after the logout: it signs no user in",
    source: "RFC 6749, section 10.5",
    async attack(world) {
      const callback = await world.victim.loginUntilCallback(`${world.base}/login`, { site: "same-origin" });
      await world.victim.visit(callback, { site: "cross-site" });
      await world.victim.visit(`${world.base}/logout`, { site: "same-origin" });
      return world.victim.visit(callback, { site: "cross-site" });
    },
    async outcome(answer, world) {
      redirectStaysOnSite(answer, world);
      expect([await world.signedInUser(world.victim), tokenForms(world).length]).toEqual([undefined, 1]);
    },
  },
  {
    name: "of the callback with the stolen cookies, more than ten seconds later: it signs no user in",
    source: "RFC 6749, section 4.1.2",
    async attack(world) {
      const { callback, cookie } = await finishLogin(world);
      await world.host.advanceClock(11);
      return world.attacker.navigate(callback, { headers: { cookie } });
    },
    async outcome(answer, world) {
      expect([answer.status, answer.headers.location]).toEqual([303, "/account"]);
      expect(tokenForms(world)).toHaveLength(1);
      expect(await world.signedInUser(world.attacker)).toBeUndefined();
    },
  },
  {
    name: "of the callback with the same cookies at once, as by a double click: it shares the login",
    source: "RFC 6749, section 4.1.2",
    async attack(world) {
      const { victim, base } = world;
      const { callback, cookie } = await finishLogin(world);
      await victim.jar.removeAllCookies(); // the response with the session's cookie never arrived
      const again = await victim.navigate(callback, { site: "cross-site", headers: { cookie } });
      expect([again.status, again.headers.location]).toEqual([303, "/account"]);
      return victim.visit(`${base}/account`);
    },
    outcome: allOf(signedIn, (_answer, world) => void expect(tokenForms(world)).toHaveLength(1)),
  },
  {
    name: "of the cookie and state of a finished login with another code",
    source: "RFC 9700, section 4.5",
    async attack(world) {
      const { callback, cookie } = await finishLogin(world);
      callback.searchParams.set("code", "whatever");
      return world.attacker.navigate(callback, { headers: { cookie } });
    },
    async outcome(answer, world) {
      await staysSignedIn("login_state_reused")(answer, world);
      expect(tokenForms(world)).toHaveLength(1);
      expect(await world.signedInUser(world.attacker)).toBeUndefined();
    },
  },
  {
    name: "of a state with the response to another login",
    source: "RFC 9700, section 4.7",
    async attack(world) {
      const callback = await world.victim.loginUntilCallback(`${world.base}/login`, { site: "same-origin" });
      await world.victim.visit(callback, { site: "cross-site" });
      await world.victim.visit(`${world.base}/logout`, { site: "same-origin" });
      const attackers = await attackersCallback(world);
      attackers.searchParams.set("state", readState(callback));
      return world.victim.visit(attackers, { site: "cross-site" });
    },
    async outcome(_answer, world) {
      expect([await world.signedInUser(world.victim), tokenForms(world).length]).toEqual([undefined, 1]);
    },
  },
  {
    name: "of an ID token of an earlier login",
    source: "OpenID Connect Core 1.0, section 15.5.2",
    provider: { document: "full" },
    attack: replayIdToken,
    outcome: rejectedWith("id_token_invalid"), // by its at_hash
  },
  {
    name: "of an ID token of an earlier login, if the provider sends no at_hash",
    source: "OpenID Connect Core 1.0, section 15.5.2",
    attack: replayIdToken,
    outcome: rejectedWith("nonce_mismatch"),
  },
]);

async function replayIdToken(world: World): Promise<Answer> {
  await signIn(world);
  const oldToken = findIdToken(world.provider);
  await world.victim.jar.removeAllCookies();
  world.provider.nextIdToken({ forge: () => oldToken });
  return signIn(world);
}

describeAttacks("prevents session fixation", [
  {
    name: "the attacker's session id in the victim's browser is no longer valid after the login",
    source: "RFC 9700, section 4.7.1; CWE-384",
    app: { ownSession: { secret: OWN_SESSION_SECRET, saveUninitialized: true } },
    async attack(world) {
      await world.attacker.visit(`${world.base}/`);
      const planted = (await world.attacker.cookies(world.url)).get("connect.sid");
      await world.victim.jar.setCookie(`connect.sid=${planted}; Path=/`, world.url);
      return signIn(world);
    },
    async outcome(answer, world) {
      await signedIn(answer, world);
      expect(await world.signedInUser(world.attacker)).toBeUndefined();
    },
  },
  {
    name: "a second login ends the session of the first",
    source: "CWE-384",
    async attack(world) {
      await signIn(world);
      const before = await world.victim.jar.getCookieString(world.url);
      const answer = await world.victim.visit(`${world.base}/login?returnTo=/account`, {
        site: "same-origin",
      });
      expect(
        (await world.attacker.fetch(`${world.base}/account`, { headers: { cookie: before } })).status,
      ).toBe(401);
      return answer;
    },
    outcome: signedIn,
  },
]);

describeAttacks("prevents session fixation, if the provider posts its response", [
  {
    name: "the POST creates no session in an app that creates one for each request, and the earlier one ends",
    source: "CWE-613; express-session's default, saveUninitialized: true",
    options: { authorizationParams: { response_mode: "form_post" } },
    app: { ownSession: { secret: OWN_SESSION_SECRET, saveUninitialized: true, cookie: { sameSite: "lax" } } },
    async attack(world) {
      const { victim, attacker, base, url } = world;
      await signInByForm(world);
      const before = await victim.jar.getCookieString(url);
      const page = await victim.visit(`${base}/login?returnTo=/account`, { site: "same-origin" });
      const postIndex = victim.answers.length;
      const answer = await submitForm(victim, page);
      expect(victim.answers[postIndex]?.headers["set-cookie"]).toBeUndefined(); // in the response to the POST
      expect((await attacker.fetch(`${base}/account`, { headers: { cookie: before } })).status).toBe(401);
      return answer;
    },
    outcome: signedIn,
  },
  {
    name: "if two tabs sign in, the second login ends the session of the first",
    source: "CWE-613",
    options: { authorizationParams: { response_mode: "form_post" } },
    async attack({ victim, attacker, base, url }) {
      const tabs = [await victim.visit(`${base}/account`), await victim.visit(`${base}/account`)] as const;
      await submitForm(victim, tabs[0]);
      const first = await victim.jar.getCookieString(url);
      const answer = await submitForm(victim, tabs[1]);
      expect((await attacker.fetch(`${base}/account`, { headers: { cookie: first } })).status).toBe(401);
      return answer;
    },
    outcome: signedIn,
  },
  {
    name: "a second login ends the session of the first, although the POST does not carry its cookie",
    source: "CWE-384",
    options: { authorizationParams: { response_mode: "form_post" } },
    async attack(world) {
      await signInByForm(world);
      const before = await world.victim.jar.getCookieString(world.url);
      const answer = await submitForm(
        world.victim,
        await world.victim.visit(`${world.base}/login?returnTo=/account`, { site: "same-origin" }),
      );
      expect(
        (await world.attacker.fetch(`${world.base}/account`, { headers: { cookie: before } })).status,
      ).toBe(401);
      return answer;
    },
    outcome: signedIn,
  },
]);

describeAttacks("prevents mix-up by checking iss", [
  ...(["full", "portal"] as const).flatMap((document) =>
    (
      [
        ["of another provider", (iss: string) => `${iss}.evil.example`],
        ["with an added slash", (iss: string) => `${iss}/`],
        ["in capitals", (iss: string) => iss.toUpperCase()],
      ] as const
    ).map(
      ([how, change]): Case => ({
        name: `iss ${how}, at a provider that announces ${document === "full" ? "it" : "none"} (fapi2-security-profile-final-client-test-invalid-authorization-response-iss)`,
        source: "RFC 9207, section 2.4",
        provider: { document },
        async attack({ victim, base, provider }) {
          const callback = await victim.loginUntilCallback(`${base}/login`, { site: "same-origin" });
          callback.searchParams.set("iss", change(provider.issuer));
          return victim.visit(callback, { site: "cross-site" });
        },
        outcome: allOf(rejectedWith("response_issuer_mismatch"), noCodeSent),
      }),
    ),
  ),
  {
    name: "fapi2-security-profile-final-client-test-remove-authorization-response-iss",
    source: "RFC 9207, section 2.4",
    provider: { document: "full" },
    async attack({ victim, base }) {
      const callback = await victim.loginUntilCallback(`${base}/login`, { site: "same-origin" });
      callback.searchParams.delete("iss");
      return victim.visit(callback, { site: "cross-site" });
    },
    outcome: allOf(rejectedWith("response_issuer_mismatch"), noCodeSent),
  },
  {
    name: "an error with the iss of another provider: the login cannot be finished later",
    source: "RFC 9207, section 2.4",
    provider: { document: "full" },
    async attack({ victim, base }) {
      const good = await victim.loginUntilCallback(`${base}/login`, { site: "same-origin" });
      const state = readState(good);
      const bad = await victim.visit(
        `${base}/callback?state=${state}&error=access_denied&iss=https://evil.example`,
      );
      const second = await victim.navigate(good, { site: "cross-site" });
      // as for every login that has been used
      expect([second.status, second.headers.location]).toEqual([303, "/"]);
      return bad;
    },
    outcome: allOf(rejectedWith("response_issuer_mismatch"), noCodeSent),
  },
  {
    name: "an error without iss, at a provider that announces it",
    source: "RFC 9207, section 2.4",
    provider: { document: "full" },
    attack: (world) => cancelAtProvider(world, (response) => response.delete("iss")),
    outcome: allOf(rejectedWith("response_issuer_mismatch"), noCodeSent),
  },
  {
    name: "an error with the right iss is reported as the provider's own error",
    source: "RFC 9207, section 2.4; RFC 6749, section 4.1.2.1",
    provider: { document: "full" },
    attack: (world) =>
      cancelAtProvider(world, (response) => expect(response.get("iss")).toBe(world.provider.issuer)),
    outcome: allOf(rejectedWith("login_denied"), noCodeSent),
  },
  {
    name: "an error without iss, at a provider that announces none",
    source: "RFC 9207, section 2.4; RFC 6749, section 4.1.2.1",
    attack: (world) => cancelAtProvider(world, (response) => expect(response.get("iss")).toBeNull()),
    outcome: allOf(rejectedWith("login_denied"), noCodeSent),
  },
]);

/** Lets the victim cancel at the provider, and changes or checks the response on its way. */
async function cancelAtProvider(
  { victim, base }: World,
  change: (response: URLSearchParams) => unknown,
): Promise<Answer> {
  victim.user = { deny: "" };
  const callback = await victim.loginUntilCallback(`${base}/login`, { site: "same-origin" });
  expect(callback.searchParams.get("error")).toBe("access_denied");
  change(callback.searchParams);
  return victim.visit(callback, { site: "cross-site" });
}

/** Changes one parameter on the browser's way to the provider. */
const downgraded = (name: string, change: (parameters: URLSearchParams) => void, outcome: Outcome): Case => ({
  name: `PKCE: ${name}`,
  source: "RFC 9700, section 4.8; RFC 7636, section 7.2",
  async attack({ victim, base }) {
    const { headers } = await victim.navigate(`${base}/login?returnTo=/account`, { site: "same-origin" });
    const authorization = new URL(headers.location ?? "");
    change(authorization.searchParams);
    return victim.visit(await victim.loginUntilCallback(authorization), { site: "cross-site" });
  },
  outcome,
});

describeAttacks("prevents a PKCE downgrade", [
  downgraded(
    "the challenge removed on the way",
    (parameters) => {
      parameters.delete("code_challenge");
      parameters.delete("code_challenge_method");
    },
    rejectedWith("client_refused"),
  ),
  downgraded(
    "the attacker's challenge",
    (parameters) => {
      parameters.set("code_challenge", "a".repeat(43));
    },
    rejectedWith("client_refused"),
  ),
  {
    name: "PKCE: each login has its own verifier and its SHA-256 as challenge, and the secret is sent too",
    source: "RFC 9700, section 2.1.1",
    async attack(world) {
      await signIn(world);
      await world.victim.jar.removeAllCookies();
      return signIn(world);
    },
    outcome: allOf(signedIn, (_answer, world) => {
      const verifiers = tokenForms(world).map((form) => form.get("code_verifier") ?? "");
      expect(verifiers.map((verifier) => verifier.length)).toEqual([43, 43]);
      expect(new Set(verifiers).size).toBe(2);
      const queries = world
        .requestsTo("/oauth2/authorize")
        .map(({ url }) => new URLSearchParams(url.split("?")[1]));
      const challenges = queries.filter((query) => query.has("code_challenge"));
      expect(challenges.map((query) => query.get("code_challenge_method"))).toEqual(["S256", "S256"]);
      const hashes = verifiers.map((verifier) => createHash("sha256").update(verifier).digest("base64url"));
      expect(challenges.map((query) => query.get("code_challenge"))).toEqual(hashes);
      expect(tokenForms(world).map((form) => form.get("client_secret"))).toEqual([
        CLIENT_SECRET,
        CLIENT_SECRET,
      ]);
    }),
  },
]);

describeAttacks("hides codes and tokens from URLs, referrers, frames and caches", [
  {
    name: "no response of ours is cached or framed, or sends its URL to the next site",
    source: "RFC 9700, section 4.2.4; RFC 6749, section 10.13",
    async attack(world) {
      await signInAndOut(world);
      await world.victim.visit(`${world.base}/callback?state=a&code=secret-code-in-an-address`);
      return world.victim.visit(`${world.base}/logout`, { site: "cross-site" });
    },
    outcome(_answer, { victim, url }) {
      const ours = victim.answers.filter(
        (answer) => answer.url.startsWith(url) && /\/(login|callback|logout)\b/.test(answer.url),
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
    name: "a page of ours loads no resource from any site",
    source: "RFC 9700, section 4.2.4",
    attack: ({ victim, base }) => victim.visit(`${base}/callback?state=a&code=secret-code-in-an-address`),
    outcome({ body }) {
      expect(body).not.toMatch(/<script|<img|<link|src=|url\(|@import/i);
      expect(body).not.toContain("secret-code");
    },
  },
  {
    name: "no token is in a URL, neither to the provider nor to the app",
    source: "RFC 9700, section 4.3.2; RFC 6750, section 5.3",
    async attack(world) {
      world.provider.nextTokenResponse({ expires_in: 0 });
      const answer = await signInThenFetch("/userinfo")(world);
      await world.victim.visit(`${world.base}/logout`, { site: "same-origin" });
      return answer;
    },
    outcome({ status }, { provider, victim }) {
      expect(status).toBe(200);
      expect(provider.issued.length).toBeGreaterThan(4); // from the login and from the refresh
      const urls = [...provider.requests.map(({ url }) => url), ...victim.answers.map(({ url }) => url)];
      for (const token of provider.issued) expect(urls.filter((url) => url.includes(token))).toEqual([]);
    },
  },
  {
    name: "a logout URL contains the ID token as a hint, and no other URL contains a token",
    source: "OpenID Connect RP-Initiated Logout 1.0, section 2",
    provider: { document: "full" },
    attack: signInAndOut,
    outcome(_answer, { provider }) {
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
    attack: signInAndOut,
    outcome(_answer, { victim, url }) {
      const lines = victim.answers
        .filter((answer) => answer.url.startsWith(url))
        .flatMap(({ headers }) => headers["set-cookie"] ?? []);
      expect(lines.length).toBeGreaterThan(2);
      for (const line of lines) expect(line).toMatch(/^portal-[^;]*;.*Path=\/;(?=.*HttpOnly)(?!.*Domain)/i);
      for (const line of lines.filter((cookie) => !/Expires=Thu, 01 Jan 1970/.test(cookie)))
        expect(line).toMatch(/SameSite=Lax/i);
    },
  },
]);

/** Expects these statuses of the app's responses at a path that gets only POST requests here. */
const statusesAt =
  (path: string, expected: readonly number[]): Outcome =>
  (_answer, { victim, base }) => {
    const answers = victim.answers.filter(({ url }) => url === base + path);
    expect(answers.map(({ status }) => status)).toEqual(expected);
  };

describeAttacks("responds to a POST so that browsers do not repeat it elsewhere", [
  {
    ...byForm,
    name: "the provider's form, posted twice: redirected with 303",
    source: "RFC 9700, section 4.12",
    async attack({ victim, base }) {
      const page = await victim.visit(`${base}/account`);
      await submitForm(victim, page);
      return submitForm(victim, page);
    },
    outcome: allOf(signedIn, statusesAt("/callback", [303, 303])),
  },
  {
    name: "a logout: a page and no redirect, because browsers apply form-action to redirects",
    source: "RFC 9700, section 4.12; Content Security Policy Level 3, section 6.4.1",
    async attack(world) {
      await signIn(world);
      return world.victim.visit(`${world.base}/logout`, { method: "POST", site: "same-origin", form: {} });
    },
    outcome: allOf(statusesAt("/logout", [200]), async (_answer, { victim, signedInUser }) => {
      expect(await signedInUser(victim)).toBeUndefined();
    }),
  },
]);

/** Sends the victim's browser to /logout without the victim's intention, and expects no logout. */
const forgedLogout = (name: string, status: number, attack: (world: World) => Promise<Answer>): Case => ({
  name: `logout: ${name}`,
  source: "RFC 9700, section 4.7; OWASP CSRF",
  async attack(world) {
    await signIn(world);
    return attack(world);
  },
  async outcome(answer, { signedInUser, victim }) {
    expect(answer.status, answer.body).toBe(status);
    expect(await signedInUser(victim)).toBe("amara-okafor");
  },
});
// The expected statuses: a user sees a question, a script gets an error, a prefetch is rejected, and HEAD has
// no effect.
const QUESTION = 200;
const FORBIDDEN = 403;
const PREFETCH_REJECTED = 503;
const NO_EFFECT = 204;

describeAttacks("asks before a logout that the user may not have requested", [
  forgedLogout("a link in an e-mail, which another site redirects here", QUESTION, ({ victim, base }) =>
    victim.visit(`${base}/logout`, { site: "none" }),
  ),
  ...["object", "embed", "iframe"].map((dest) =>
    forgedLogout(`an <${dest}> on this site`, QUESTION, ({ victim, base }) =>
      victim.navigate(`${base}/logout`, { site: "same-origin", headers: { "sec-fetch-dest": dest } }),
    ),
  ),
  forgedLogout("a link on another site", QUESTION, ({ victim, base }) =>
    victim.visit(`${base}/logout`, { site: "cross-site" }),
  ),
  forgedLogout("a form on another site", QUESTION, ({ victim, base }) =>
    victim.visit(`${base}/logout`, { method: "POST", site: "cross-site", form: {} }),
  ),
  forgedLogout("a link on a neighbouring site", QUESTION, ({ victim, base }) =>
    victim.visit(`${base}/logout`, { site: "same-site" }),
  ),
  forgedLogout("an image on this site", FORBIDDEN, ({ victim, base }) =>
    victim.fetch(`${base}/logout`, { headers: { "sec-fetch-mode": "no-cors" } }),
  ),
  ...(
    [
      ["an <img crossorigin>", "cors", "image"],
      ["a <track> that falls back", "same-origin", "track"],
      ["a font of a style", "cors", "font"],
      ["a preload", "cors", "empty"],
    ] as const
  ).map(([element, mode, dest]) =>
    forgedLogout(`${element} on this site`, FORBIDDEN, ({ victim, base }) =>
      victim.fetch(`${base}/logout`, { headers: { "sec-fetch-mode": mode, "sec-fetch-dest": dest } }),
    ),
  ),
  forgedLogout("a script on another site", FORBIDDEN, ({ victim, base }) =>
    victim.fetch(`${base}/logout`, { method: "POST", site: "cross-site" }),
  ),
  forgedLogout("an old browser without Fetch Metadata", QUESTION, ({ victim, base }) =>
    victim.navigate(`${base}/logout`, { old: true }),
  ),
  forgedLogout("an old browser that posts a made-up confirmation", QUESTION, ({ victim, base }) =>
    victim.navigate(`${base}/logout`, { old: true, method: "POST", form: { confirmation: "a.b.c" } }),
  ),
  forgedLogout(
    "an old browser that posts the attacker's confirmation",
    QUESTION,
    async ({ victim, attacker, base }) => {
      await attacker.visit(`${base}/login`);
      const page = await attacker.navigate(`${base}/logout`, { old: true });
      const confirmation = /name="confirmation" value="([^"]*)"/.exec(page.body)?.[1] ?? "";
      expect(confirmation).not.toBe("");
      return victim.navigate(`${base}/logout`, { old: true, method: "POST", form: { confirmation } });
    },
  ),
  forgedLogout("a prefetch", PREFETCH_REJECTED, ({ victim, base }) =>
    victim.navigate(`${base}/logout`, { site: "same-origin", headers: { "sec-purpose": "prefetch" } }),
  ),
  forgedLogout("HEAD", NO_EFFECT, ({ victim, base }) =>
    victim.navigate(`${base}/logout`, { method: "HEAD", site: "same-origin" }),
  ),
]);
