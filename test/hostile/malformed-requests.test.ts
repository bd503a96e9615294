import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { expect } from "vitest";
import type { Responder } from "../../lib/testing/provider/local-provider.js";
import type { Answer } from "../support/browser.js";
import {
  CANARY,
  type Case,
  describeAttacks,
  type Outcome,
  onExpress4,
  readState,
  signIn,
  type World,
} from "./support/attack.js";
import { rawRequest, sendRaw, submitForm } from "./support/client.js";
import { delayed, sendText } from "./support/faulty-responses.js";
import { allOf, loginNotFound, noSessionStarted, rejectedWith, signedIn } from "./support/outcomes.js";
import { signSessionId, startLogin } from "./support/sign-in-steps.js";

// Malformed and forged requests of browsers. No case may create a session or redirect to another site. A 5xx
// is allowed only for a failure of the provider, the store or the proxy.

const LONG = "a".repeat(10_000);
const OWASP = "OWASP ASVS 4.0, 5.1";

/** Opens the callback with this query in a browser that has started a login. The query may use its state. */
const callback = (
  name: string,
  source: string,
  query: string | ((state: string) => string),
  more: Partial<Case> = {},
): Case => ({
  name: `callback: ${name}`,
  source,
  async attack({ victim, base }) {
    const state = await startLogin(victim, base);
    return victim.visit(`${base}/callback?${typeof query === "string" ? query : query(state)}`, {
      site: "cross-site",
    });
  },
  ...more,
  outcome: allOf(more.outcome ?? rejectedWith("callback_invalid"), noSessionStarted),
});

const ONCE = "RFC 6749, section 3.1: parameters MUST NOT be included more than once";
const unknownState = { outcome: loginNotFound };

const parameters: Case[] = [
  callback("no parameters", "RFC 6749, section 4.1.2", ""),
  callback("no state", "RFC 6749, section 10.12", "code=x"),
  callback("an empty state", "RFC 6749, section 10.12", "state=&code=x"),
  callback("neither code nor error", "RFC 6749, section 4.1.2", (state) => `state=${state}`),
  callback(
    "code and error",
    "RFC 6749, section 4.1.2.1",
    (state) => `state=${state}&code=x&error=access_denied`,
  ),
  ...["state", "code", "iss", "error"].map((name) =>
    callback(`${name} twice`, ONCE, (state) => `state=${state}&code=x&${name}=a&${name}=b`),
  ),
  callback("state twice, alike", ONCE, (state) => `state=${state}&state=${state}&code=x`),
  callback("state twice, one of them empty", ONCE, (state) => `state=${state}&state=&code=x`),
  callback("state twice, one of them encoded", ONCE, (state) => `state=${state}&st%61te=b&code=x`),
  callback("state as a list", ONCE, (state) => `state[]=${state}&code=x`),
  callback("state as an object", ONCE, (state) => `state[a]=${state}&code=x`),
  callback("state in other case", "RFC 6749, section 3.1", (state) => `State=${state}&code=x`),
  callback("state of 10,000 characters", OWASP, `state=${LONG}&code=x`),
  callback("state of __proto__", "CWE-1321", "state=__proto__&code=x", unknownState),
  callback("state with NUL", "CWE-158", (state) => `state=${state}%00&code=x`, unknownState),
  callback("state with CRLF", "CWE-113", "state=a%0d%0aSet-Cookie:x=y&code=x", unknownState),
  callback("state badly encoded", OWASP, "state=%E0%A4%A&code=x", unknownState),
  callback("state of invalid UTF-8", OWASP, "state=%ff%fe&code=x", unknownState),
  callback("state that is a cookie's name", OWASP, "state=__Host-portal-session&code=x", unknownState),
  callback("a name of 10,000 characters", OWASP, (state) => `state=${state}x&${LONG}=1&code=x`),
  callback("1,000 parameters", OWASP, `${"a=1&".repeat(1000)}state=b&code=x`, unknownState),
  callback(
    "an error of a login that was not started",
    "RFC 9700, section 4.7",
    "state=b&error=access_denied",
    unknownState,
  ),
  callback(
    "a script in error_description",
    "CWE-79",
    (state) => `state=${state}&error=server_error&error_description=<script>${CANARY}</script>`,
    {
      outcome: rejectedWith("portal_failed"),
    },
  ),
  callback("a script in error", "CWE-79", (state) => `state=${state}&error=<script>alert(1)</script>`, {
    outcome(answer, world) {
      expect(answer.body).not.toContain("<script");
      return rejectedWith("authorization_refused")(answer, world);
    },
  }),
  callback(
    "a script in error_uri",
    "CWE-79",
    (state) => `state=${state}&error=x&error_uri=javascript:alert('${CANARY}')`,
    {
      outcome: rejectedWith("authorization_refused"),
    },
  ),
  callback("an error with the name __proto__", "CWE-1321", (state) => `state=${state}&error=__proto__`, {
    outcome: rejectedWith("authorization_refused"),
  }),
  callback(
    "an error with CRLF and an escape sequence",
    "CWE-117",
    (state) => `state=${state}&error=a%0d%0a[express-portal-auth]%20all%20is%20well%1b[31m`,
    {
      outcome: rejectedWith("authorization_refused"),
    },
  ),
  callback("a code of 10,000 characters", OWASP, (state) => `state=${state}&code=${LONG}`),
  callback("a code with NUL and CRLF", "CWE-113", (state) => `state=${state}&code=a%00b%0d%0ac`, {
    outcome: rejectedWith("code_refused"),
  }),
  callback(
    "a code with & and =",
    "CWE-88",
    (state) => `state=${state}&code=a%26client_id%3Dother%26grant_type%3Dpassword`,
    {
      outcome: rejectedWith("code_refused"),
    },
  ),
  callback(
    "tokens instead of a code",
    "RFC 9700, section 2.1.2",
    (state) => `state=${state}&access_token=x&id_token=y&token_type=bearer`,
  ),
  callback("a response as a JWT", "JARM, section 4.1", (state) => `state=${state}&response=a.b.c`),
];
describeAttacks("rejects malformed parameters of the callback", parameters);
describeAttacks("rejects malformed parameters of the callback, on Express 4", onExpress4(parameters));

/** Header lines, encoded for a query. */
const INJECTED = "%0d%0aX-Injected:%201%0d%0aSet-Cookie:%20injected=1";

/** Expects that no response contains an injected header. */
const nothingInjected: Outcome = (_answer, { victim }) => {
  for (const { headers } of victim.answers) {
    expect(headers["x-injected"]).toBeUndefined();
    expect(headers["set-cookie"]?.join() ?? "").not.toContain("injected");
  }
};

/** Signs in with this query, and expects the login to end on this page of this site. */
const loginWith = (name: string, source: string, query: string, path: string): Case => ({
  name: `login: ${name}`,
  source,
  attack: ({ victim, base }) => victim.visit(`${base}/login?${query}`),
  outcome: allOf(nothingInjected, async (answer, { victim, url, signedInUser }) => {
    expect([answer.url, await signedInUser(victim)]).toEqual([url + path, victim.user["sub"]]);
    expect(answer.status).toBeLessThan(500);
  }),
});

const loginQueries = [
  loginWith("returnTo twice", ONCE, "returnTo=/account&returnTo=//evil.example", "/account"),
  loginWith(
    "returnTo twice, the first to another site",
    ONCE,
    "returnTo=//evil.example&returnTo=/account",
    "/",
  ),
  loginWith("returnTo as a list", ONCE, "returnTo[]=//evil.example", "/"),
  loginWith("returnTo as an object", ONCE, "returnTo[toString]=//evil.example", "/"),
  loginWith("returnTo in __proto__", "CWE-1321", "__proto__[returnTo]=//evil.example", "/"),
  loginWith("returnTo of 10,000 characters", OWASP, `returnTo=/${LONG}`, "/"),
  loginWith("a name of 10,000 characters", OWASP, `${LONG}=1&returnTo=/account`, "/account"),
  loginWith("returnTo badly encoded", OWASP, "returnTo=/%E0%A4%A", "/%EF%BF%BD%A"),
  loginWith("returnTo of invalid UTF-8", OWASP, "returnTo=/%ff", "/%EF%BF%BD"),
  loginWith("returnTo with NUL", "CWE-158", "returnTo=/a%00//evil.example", "/a%00//evil.example"),
  loginWith("returnTo that ends with NUL", "CWE-158", "returnTo=/account%00", "/account"),
  loginWith(
    "returnTo with CRLF",
    "CWE-113",
    `returnTo=/a${INJECTED}`,
    "/aX-Injected:%201Set-Cookie:%20injected=1",
  ),
  loginWith(
    "returnTo with CRLF, encoded twice",
    "CWE-113",
    `returnTo=/a${INJECTED.replaceAll("%", "%25")}`,
    `/a${INJECTED}`,
  ),
];
describeAttacks("keeps the user on this site for malformed parameters of a login", loginQueries);
describeAttacks(
  "keeps the user on this site for malformed parameters of a login, on Express 4",
  onExpress4(loginQueries),
);

/** Posts a changed confirmation of a logout. Our page contains one for browsers without Sec-Fetch headers. */
const confirmedWith = (
  name: string,
  source: string,
  body: (confirmation: string) => string,
  more: Partial<Confirmation> = {},
): Case => ({
  name: `logout: ${name}`,
  source,
  async attack(world) {
    const { victim, base, url } = world;
    await signIn(world);
    const question = await victim.navigate(`${base}/logout`, { old: true });
    const [, confirmation = ""] = /name="confirmation" value="([^"]*)"/.exec(question.body) ?? [];
    const text = body(confirmation);
    const { type = FORM["content-type"], query = "" } = more;
    const headers = [
      `Cookie: ${await victim.jar.getCookieString(url)}`,
      "Accept: text/html",
      `Content-Type: ${type}`,
    ];
    const line = `POST /logout${query.replace("CONFIRMATION", confirmation)} HTTP/1.1`;
    return sendRaw(victim, url, rawRequest(line, [...headers, `Content-Length: ${text.length}`], text));
  },
  outcome: allOf(nothingInjected, more.outcome ?? questionShownAgain),
});

interface Confirmation {
  readonly type: string;
  readonly query: string;
  readonly outcome: Outcome;
}

const questionShownAgain: Outcome = async ({ status, body }, { victim, signedInUser }) => {
  expect([status, body]).toEqual([200, expect.stringContaining("Sign out?")]);
  expect(await signedInUser(victim)).toBe(victim.user["sub"]);
};

const confirmations = [
  confirmedWith("unchanged: the user is signed out", "guide, sign-out", (valid) => `confirmation=${valid}`, {
    async outcome({ status }, { victim, signedInUser }) {
      // the page that continues to the provider
      expect([status, await signedInUser(victim)]).toEqual([200, undefined]);
    },
  }),
  confirmedWith("missing", OWASP, () => ""),
  confirmedWith("twice, the first forged", ONCE, (valid) => `confirmation=x&confirmation=${valid}`),
  confirmedWith("as a list", ONCE, (valid) => `confirmation[]=${valid}`),
  confirmedWith("as an object", ONCE, (valid) => `confirmation[toString]=${valid}`),
  confirmedWith("in __proto__", "CWE-1321", (valid) => `__proto__[confirmation]=${valid}`),
  confirmedWith("of 10,000 characters", OWASP, () => `confirmation=${LONG}`),
  confirmedWith("over 64 KiB", OWASP, (valid) => `confirmation=${valid}&a=${"a".repeat(70_000)}`),
  confirmedWith(
    "one letter changed",
    "RFC 7516, section 5.2",
    (valid) => `confirmation=${valid.replace(/.(?=.{30}$)/, (letter) => (letter === "A" ? "B" : "A"))}`,
  ),
  confirmedWith("cut short", "RFC 7516, section 5.2", (valid) => `confirmation=${valid.slice(0, -1)}`),
  confirmedWith("badly encoded", OWASP, () => "confirmation=%E0%A4%A"),
  confirmedWith("with NUL", "CWE-158", (valid) => `confirmation=${valid}%00`),
  confirmedWith("with CRLF", "CWE-113", (valid) => `confirmation=${valid}${INJECTED}`),
  confirmedWith("as JSON", "OWASP CSRF", (valid) => JSON.stringify({ confirmation: valid }), {
    type: "application/json",
  }),
  confirmedWith("as text", "OWASP CSRF", (valid) => `confirmation=${valid}`, { type: "text/plain" }),
  confirmedWith("in the URL", "OWASP CSRF", () => "", { query: "?confirmation=CONFIRMATION" }),
];
describeAttacks("rejects invalid confirmations of a logout", confirmations);
describeAttacks("rejects invalid confirmations of a logout, on Express 4", onExpress4(confirmations));

/** Posts a body to the callback in a browser with a pending login, whose state replaces `STATE`. */
const posted = (
  name: string,
  body: string,
  headers: Record<string, string>,
  more: Partial<Case> = {},
): Case => ({
  name: `POST: ${name}`,
  source: "OAuth 2.0 Form Post Response Mode, section 2",
  options: { authorizationParams: { response_mode: "form_post" } },
  async attack({ victim, base, url }) {
    const state = await startLogin(victim, base);
    const cookie = await victim.jar.getCookieString(url);
    const text = body.replace("STATE", state);
    const lines = Object.entries({
      cookie,
      accept: "text/html",
      "content-length": String(text.length),
      ...headers,
    });
    const request = rawRequest(
      "POST /callback HTTP/1.1",
      lines.map((line) => line.join(": ")),
      text,
    );
    const answer = await sendRaw(victim, url, request);
    const { location } = answer.headers; // a well-formed response is redirected
    return location ? victim.visit(new URL(location, `${url}/callback`), { site: "cross-site" }) : answer;
  },
  ...more,
  outcome: allOf(more.outcome ?? rejectedWith("callback_invalid"), noSessionStarted),
});

const FORM = { "content-type": "application/x-www-form-urlencoded" };
const bodies: Case[] = [
  posted("no body", "", FORM),
  posted("a parameter twice", "state=STATE&state=b&code=x", FORM),
  posted("an object", "state[a]=b&code=x", FORM),
  posted("JSON", '{"state":"STATE","code":"x"}', { "content-type": "application/json" }),
  posted("text", "state=STATE&code=x", { "content-type": "text/plain" }),
  posted("no content type", "state=STATE&code=x", {}),
  posted("two content types", "state=STATE&code=x", {
    "content-type": "text/plain, application/x-www-form-urlencoded",
  }),
  posted("a multipart form", "--b\r\n\r\nx\r\n--b--", { "content-type": "multipart/form-data; boundary=b" }),
  posted("over 64 KiB", `state=STATE&code=${"a".repeat(70_000)}`, FORM),
  posted("badly encoded", "state=%E0%A4%A&code=%", FORM, unknownState),
  posted("NUL", "state=\0&code=\0", FORM, unknownState),
  posted("members of __proto__", "__proto__[state]=a&constructor[code]=b", FORM),
];
describeAttacks("rejects malformed bodies at the callback", bodies);
describeAttacks("rejects malformed bodies at the callback, on Express 4", onExpress4(bodies));
describeAttacks(
  "rejects malformed bodies that an application's own parsers have read",
  bodies.map((testCase) => ({
    ...testCase,
    app: { hasParsers: true },
  })),
);

/** Sends raw HTTP, and expects this status. Node itself rejects some of these requests. */
const raw = (
  name: string,
  source: string,
  text: string | ((world: World) => string),
  status: number,
): Case => ({
  name,
  source,
  attack: (world) => sendRaw(world.attacker, world.url, typeof text === "string" ? text : text(world)),
  outcome: allOf(noSessionStarted, async (answer, { url, provider, attacker, victim, signedInUser }) => {
    expect(answer.status).toBe(status);
    const { location = "/" } = answer.headers;
    expect([url, provider.issuer]).toContain(new URL(location, url).origin);
    expect([await signedInUser(attacker), await signedInUser(victim)]).toEqual([undefined, undefined]);
  }),
});

const navigation = ["Accept: text/html", "Sec-Fetch-Mode: navigate"];
const requests: Case[] = [
  raw(
    "cookies of 10,000 bytes",
    OWASP,
    rawRequest("GET /account HTTP/1.1", [`Cookie: portal-session=${LONG}`, ...navigation]),
    302,
  ),
  raw(
    "cookies over Node's limit",
    "RFC 6585, section 5",
    rawRequest("GET /account HTTP/1.1", [`Cookie: a=${LONG}${LONG}`]),
    431,
  ),
  raw(
    "a cookie header of separators",
    OWASP,
    rawRequest("GET /callback?state=a&code=b HTTP/1.1", [`Cookie: ${";=".repeat(3000)}`]),
    400,
  ),
  raw(
    "two cookie headers",
    "RFC 6265, section 5.4",
    rawRequest("GET /account HTTP/1.1", [
      "Cookie: portal-session=a",
      "Cookie: portal-session=b",
      ...navigation,
    ]),
    302,
  ),
  raw("NUL in a header", "RFC 9110, section 5.5", rawRequest("GET /account HTTP/1.1", ["Cookie: a=\0"]), 400),
  raw(
    "a bare line feed in a header",
    "RFC 9112, section 2.2",
    rawRequest("GET /account HTTP/1.1", ["X: a\nSet-Cookie: b=c"]),
    400,
  ),
  raw("a URL with a space", "RFC 9112, section 3.2", rawRequest("GET /account page HTTP/1.1"), 400),
  raw(
    "a URL in absolute form",
    "RFC 9112, section 3.2.2",
    rawRequest("GET http://evil.example/account HTTP/1.1", navigation),
    302,
  ),
  raw(
    "a URL with bytes above 127",
    "RFC 3986, section 2",
    rawRequest("GET /callback?state=\u00e9&code=\u00ff HTTP/1.1"),
    400,
  ),
  raw(
    "a URL with a fragment",
    "RFC 9112, section 3.2",
    rawRequest("GET /callback#state=a&code=b HTTP/1.1"),
    400,
  ),
  raw("an encoded path", "RFC 3986, section 2.4", rawRequest("GET /%63allback?state=a&code=b HTTP/1.1"), 404),
  raw("a path that cannot be decoded", "RFC 3986, section 2.4", rawRequest("GET /%E0%A4%A HTTP/1.1"), 404),
  raw("an unknown method", "RFC 9110, section 9", rawRequest("BREW /login HTTP/1.1"), 400),
  raw("DELETE", "RFC 9110, section 9", rawRequest("DELETE /callback HTTP/1.1"), 404),
  raw("TRACE", "RFC 9110, section 9.3.8", rawRequest("TRACE /login HTTP/1.1", [`X-Secret: ${CANARY}`]), 404),
  raw(
    "two values of Content-Length",
    "RFC 9112, section 6.3",
    rawRequest("POST /callback HTTP/1.1", ["Content-Length: 5", "Content-Length: 6"], "state"),
    400,
  ),
  raw(
    "Content-Length and Transfer-Encoding",
    "RFC 9112, section 6.1",
    rawRequest("POST /callback HTTP/1.1", ["Content-Length: 5", "Transfer-Encoding: chunked"], "0\r\n\r\n"),
    400,
  ),
  raw("HTTP/1.0 without a host", "RFC 9112, section 3.2", "GET /account HTTP/1.0\r\n\r\n", 401),
  raw("HTTP/0.9", "RFC 9112, section 2.3", "GET /account\r\n\r\n", 401),
  raw("a TLS greeting", "RFC 8446, section 4.1.2", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
];
describeAttacks("survives requests that no browser would send", requests);
describeAttacks("survives requests that no browser would send, on Express 4", onExpress4(requests));

/** Sends a forged header to each of our routes. Expects that no response depends on it. */
const forged = (name: string, headers: Record<string, string>): Case => ({
  name,
  source: "RFC 9700, section 4.13; CWE-644",
  app: { trustsProxy: true },
  async attack({ attacker, base }) {
    await attacker.navigate(`${base}/account`, { headers });
    await attacker.navigate(`${base}/login`, { headers });
    await attacker.fetch(`${base}/callback?state=a&code=b`, { headers });
    await attacker.navigate(`${base}/callback?state=a&code=b`, { headers });
    return attacker.navigate(`${base}/logout`, { headers });
  },
  outcome(question, { attacker, base, provider }) {
    const [guarded, login, problem, page] = attacker.answers;
    for (const redirect of [guarded, login]) {
      expect(redirect?.status).toBe(302);
      const target = new URL(redirect?.headers.location ?? "");
      expect([target.origin, target.searchParams.get("redirect_uri")]).toEqual([
        provider.issuer,
        `${base}/callback`,
      ]);
    }
    expect([problem?.status, JSON.parse(problem?.body ?? "").login]).toEqual([400, "/login"]);
    expect([page?.status, linksOf(page)]).toEqual([400, ["/login", "/"]]);
    expect([question.status, linksOf(question)]).toEqual([200, ["/logout", "/"]]);
    expect(JSON.stringify(attacker.answers)).not.toContain("evil.example");
  },
});
const linksOf = (page: Answer | undefined) =>
  [...(page?.body ?? "").matchAll(/(?:href|action)="([^"]*)"/g)].map(([, link]) => link);

const forgeries = [
  forged("Host", { host: "evil.example" }),
  forged("Host with a port and a user", { host: "a:b@evil.example:99" }),
  forged("X-Forwarded-Host", { "x-forwarded-host": "evil.example" }),
  forged("X-Forwarded-Proto", { "x-forwarded-proto": "https, http" }),
  forged("X-Forwarded-Proto of a script", { "x-forwarded-proto": "javascript" }),
  forged("X-Forwarded-Port and -Prefix", {
    "x-forwarded-port": "99",
    "x-forwarded-prefix": "//evil.example",
  }),
  forged("Forwarded", { forwarded: "host=evil.example;proto=https" }),
  forged("X-Original-URL and X-Rewrite-URL", {
    "x-original-url": "//evil.example/",
    "x-rewrite-url": "//evil.example/",
  }),
  forged("Referer and Origin", { referer: "https://evil.example/", origin: "https://evil.example" }),
];
describeAttacks("ignores forged headers", forgeries);
describeAttacks("ignores forged headers, on Express 4", onExpress4(forgeries));

describeAttacks("handles unusual sequences of login requests", [
  {
    name: "thirty abandoned logins before one is finished",
    source: "guide, how a login works",
    async attack(world) {
      for (let count = 0; count < 30; count += 1) await startLogin(world.victim, world.base);
      return signIn(world);
    },
    outcome: signedIn,
  },
  {
    name: "the first of four logins is finished last",
    source: "guide, how a login works",
    async attack({ victim, base }) {
      const first = await victim.loginUntilCallback(`${base}/login?returnTo=/account`);
      for (let count = 0; count < 3; count += 1) await startLogin(victim, base);
      return victim.visit(first, { site: "cross-site" });
    },
    outcome: signedIn,
  },
  {
    name: "the same callback ten times at the same moment: one exchange",
    source: "RFC 6749, section 4.1.2",
    async attack({ victim, base }) {
      const callbackUrl = await victim.loginUntilCallback(`${base}/login?returnTo=/account`);
      const answers = await Promise.all(
        Array.from({ length: 10 }, () => victim.navigate(callbackUrl, { site: "cross-site" })),
      );
      expect(new Set(answers.map(({ status, headers }) => `${status} ${headers.location}`))).toEqual(
        new Set(["303 /account"]),
      );
      return victim.visit(`${base}/account`);
    },
    outcome(answer, world) {
      expect(world.requestsTo("/oauth2/token")).toHaveLength(1);
      return signedIn(answer, world);
    },
  },
  {
    name: "a login that is finished in another browser",
    source: "RFC 9700, section 4.7",
    attack: async ({ victim, attacker, base }) =>
      attacker.visit(await victim.loginUntilCallback(`${base}/login`)),
    outcome: loginNotFound,
  },
  {
    name: "the response of one login with the state of another",
    source: "RFC 9700, section 4.5",
    async attack({ victim, base }) {
      const first = await victim.loginUntilCallback(`${base}/login`);
      const second = await victim.loginUntilCallback(`${base}/login`);
      first.searchParams.set("state", readState(second));
      return victim.visit(first);
    },
    outcome: rejectedWith("client_refused"), // PKCE: the verifier belongs to the other login
  },
  {
    name: "a prefetch of the callback, and then the user's own request",
    source: "HTML, section 7.6, speculative loading",
    async attack({ victim, base }) {
      const callbackUrl = await victim.loginUntilCallback(`${base}/login?returnTo=/account`);
      expect((await victim.navigate(callbackUrl, { headers: { "sec-purpose": "prefetch" } })).status).toBe(
        503,
      );
      return victim.visit(callbackUrl, { site: "cross-site" });
    },
    outcome: signedIn,
  },
  {
    name: "a reload during the exchange, which fails: the reload shares the exchange and shows its failure",
    source: "guide, how a login works",
    attack: reloadDuringExchange(sendText(503, "")),
    outcome: allOf(rejectedWith("portal_failed"), oneExchange, ({ body }) => {
      // the code is used, so that the link starts a new login
      expect(body).toContain('href="/login?returnTo=%2Faccount"');
    }),
  },
  {
    name: "a reload during the exchange, which succeeds: the reload shares the exchange and is signed in",
    source: "guide, how a login works",
    attack: reloadDuringExchange(delayed(100)),
    outcome: allOf(signedIn, oneExchange),
  },
  {
    name: "a form that is posted twice at the same moment: one exchange",
    source: "OAuth 2.0 Form Post Response Mode",
    options: { authorizationParams: { response_mode: "form_post" } },
    async attack({ victim, base, requestsTo }) {
      const page = await victim.visit(`${base}/account`);
      await Promise.all([submitForm(victim, page), submitForm(victim, page)]);
      expect(requestsTo("/oauth2/token")).toHaveLength(1);
      return victim.visit(`${base}/account`);
    },
    outcome: signedIn,
  },
  {
    name: "a form whose first try ends early: the second try succeeds",
    source: "RFC 9112, section 8",
    options: { authorizationParams: { response_mode: "form_post" } },
    async attack(world) {
      const page = await world.victim.visit(`${world.base}/account`);
      await endEarly(await startForm(world, page));
      await world.host.ping(); // the whole log has been read
      expect(world.host.log.join()).toContain("a form that ended early");
      return submitForm(world.victim, page);
    },
    outcome: allOf(signedIn, oneExchange),
  },
  {
    name: "a form whose first try stalls: the second try is not delayed",
    source: "CWE-400",
    options: { authorizationParams: { response_mode: "form_post" } },
    async attack(world) {
      const page = await world.victim.visit(`${world.base}/account`);
      const stalled = await startForm(world, page);
      const answer = await submitForm(world.victim, page);
      await endEarly(stalled);
      return answer;
    },
    outcome: allOf(signedIn, oneExchange),
  },
]);

function oneExchange(_answer: Answer, { requestsTo }: World): void {
  expect(requestsTo("/oauth2/token")).toHaveLength(1);
}

const connectTo = (url: string): Socket => connect(Number(new URL(url).port), "127.0.0.1");

/** Cuts the connection of a callback while the app waits for the keys, and reloads the callback. */
function reloadDuringExchange(keys: Responder): (world: World) => Promise<Answer> {
  return async ({ victim, base, provider, url }) => {
    const callbackUrl = await victim.loginUntilCallback(`${base}/login?returnTo=/account`);
    const cookie = await victim.jar.getCookieString(url);
    const keysRequested = new Promise<() => void>((resolve) =>
      provider.answerNext("/oauth2/jwks", (req, res) => resolve(() => keys(req, res))),
    );
    const socket = connectTo(url);
    socket.write(
      rawRequest(`GET ${callbackUrl.pathname}${callbackUrl.search} HTTP/1.1`, [
        `Cookie: ${cookie}`,
        ...navigation,
      ]),
    );
    const sendKeys = await keysRequested; // the exchange has started
    socket.destroy();
    const reloaded = victim.visit(callbackUrl, { site: "cross-site" });
    sendKeys();
    return reloaded;
  };
}

/** Sends the provider's form with a Content-Length that is too long, on a connection of its own. */
async function startForm({ victim, url }: World, { body }: Answer): Promise<Socket> {
  const fields = [...body.matchAll(/name="(state|code)" value="([^"]*)"/g)].map(
    ([, name, value]) => `${name}=${value}`,
  );
  expect(fields).toHaveLength(2);
  const headers = [
    `Cookie: ${await victim.jar.getCookieString(url)}`,
    `Content-Type: ${FORM["content-type"]}`,
  ];
  const socket = connectTo(url);
  socket.write(rawRequest("POST /callback HTTP/1.1", [...headers, "Content-Length: 5000"], fields.join("&")));
  return socket;
}

async function endEarly(socket: Socket): Promise<void> {
  socket.end().resume();
  await once(socket, "close");
}

describeAttacks("shows a safe page while the store is unreachable", [
  ...["/callback", "/callback/", "/other/callback"].map(
    (path): Case => ({
      name: `a page at ${path} contains no code`,
      source: "RFC 9700, section 4.2",
      options: { store: "redis://127.0.0.1:1" },
      attack: ({ victim, base }) =>
        victim.navigate(`${base}${path}?state=abc&code=a-code-in-a-url`, {
          headers: { cookie: `portal-session=${signSessionId("a")}` },
        }),
      outcome({ status, body }) {
        expect([status, body.includes("a-code-in-a-url")]).toEqual([503, false]);
      },
    }),
  ),
  {
    name: "a page at the callback contains no posted response",
    source: "RFC 9700, section 4.2",
    options: { store: "redis://127.0.0.1:1" },
    attack: ({ victim, base }) =>
      victim.navigate(`${base}/callback?posted=posted-response`, {
        headers: { cookie: `portal-session=${signSessionId("a")}` },
      }),
    outcome: ({ status, body }) =>
      void expect([status, body.includes("posted-response")]).toEqual([503, false]),
  },
  {
    name: "the link to try again stays on this site",
    source: "CWE-601",
    options: { store: "redis://127.0.0.1:1" },
    async attack({ attacker, url }) {
      const headers = [`Cookie: portal-session=${signSessionId("a")}`, ...navigation];
      return sendRaw(attacker, url, rawRequest("GET //evil.example/account HTTP/1.1", headers));
    },
    outcome({ status, body }, { url }) {
      expect(status).toBe(503);
      expect(body).toContain("Try again");
      for (const [, href = ""] of body.matchAll(/href="([^"]*)"/g))
        expect(new URL(href, url).origin).toBe(url);
    },
  },
]);
