import { createHmac } from "node:crypto";
import { connect } from "node:net";
import { expect } from "vitest";
import type { Answer } from "../support/browser.js";
import { SESSION_SECRET } from "../support/world.js";
import {
  attacks,
  CANARY,
  type Case,
  logIn,
  type Outcome,
  onExpress4,
  startWorld,
  stateOf,
  type World,
} from "./support/attack.js";
import { type Client, rawRequest, sendRaw, submitForm } from "./support/client.js";
import { allOf, refused, welcomed } from "./support/outcomes.js";

// Browsers that break, and strangers who pretend to be one: never a session, never a way to another site, and a 5xx only
// where the portal, the store or the proxy is said to be at fault.

const LONG = "a".repeat(10_000);
const OWASP = "OWASP ASVS 4.0, 5.1";

/** The callback with this query, from somebody who has begun a login and may know its state. */
const callback = (
  name: string,
  source: string,
  query: string | ((state: string) => string),
  more: Partial<Case> = {},
): Case => ({
  name: `callback: ${name}`,
  source,
  async act({ victim, base }) {
    const state = await beginLogin(victim, base);
    return victim.visit(`${base}/callback?${typeof query === "string" ? query : query(state)}`, { site: "cross-site" });
  },
  outcome: refused("callback_invalid"),
  ...more,
});

/** A login that waits in this browser; its state. */
async function beginLogin(client: Client, base: string): Promise<string> {
  const { headers } = await client.navigate(`${base}/login?returnTo=/account`);
  return stateOf(headers.location);
}

const ONCE = "RFC 6749, section 3.1: parameters MUST NOT be included more than once";
const unknownState = { outcome: refused("login_not_found") };

const parameters: Case[] = [
  callback("nothing", "RFC 6749, section 4.1.2", ""),
  callback("no state", "RFC 6749, section 10.12", "code=x"),
  callback("an empty state", "RFC 6749, section 10.12", "state=&code=x"),
  callback("neither code nor error", "RFC 6749, section 4.1.2", (state) => `state=${state}`),
  callback("code and error", "RFC 6749, section 4.1.2.1", (state) => `state=${state}&code=x&error=access_denied`),
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
  callback("state of half a character", OWASP, "state=%ff%fe&code=x", unknownState),
  callback("state that is a cookie's name", OWASP, "state=__Host-portal-session&code=x", unknownState),
  callback("a name of 10,000 characters", OWASP, (state) => `state=${state}x&${LONG}=1&code=x`, unknownState),
  callback("a thousand parameters", OWASP, `${"a=1&".repeat(1000)}state=b&code=x`, unknownState),
  callback(
    "an error of a login that nobody began",
    "RFC 9700, section 4.7",
    "state=b&error=access_denied",
    unknownState,
  ),
  callback(
    "a script in error_description",
    "CWE-79",
    (state) => `state=${state}&error=server_error&error_description=<script>${CANARY}</script>`,
    {
      outcome: refused("portal_failed"),
    },
  ),
  callback("a script in error", "CWE-79", (state) => `state=${state}&error=<script>alert(1)</script>`, {
    outcome(answer, world) {
      expect(answer.body).not.toContain("<script");
      return refused("authorization_refused")(answer, world);
    },
  }),
  callback(
    "a script in error_uri",
    "CWE-79",
    (state) => `state=${state}&error=x&error_uri=javascript:alert('${CANARY}')`,
    {
      outcome: refused("authorization_refused"),
    },
  ),
  callback("an error by the name of __proto__", "CWE-1321", (state) => `state=${state}&error=__proto__`, {
    outcome: refused("authorization_refused"),
  }),
  callback(
    "an error with CRLF and a colour",
    "CWE-117",
    (state) => `state=${state}&error=a%0d%0a[express-portal-auth]%20all%20is%20well%1b[31m`,
    {
      outcome: refused("authorization_refused"),
    },
  ),
  callback("a code of 10,000 characters", OWASP, (state) => `state=${state}&code=${LONG}`),
  callback("a code with NUL and CRLF", "CWE-113", (state) => `state=${state}&code=a%00b%0d%0ac`, {
    outcome: refused("code_refused"),
  }),
  callback(
    "a code with & and =",
    "CWE-88",
    (state) => `state=${state}&code=a%26client_id%3Dother%26grant_type%3Dpassword`,
    {
      outcome: refused("code_refused"),
    },
  ),
  callback(
    "tokens in place of a code",
    "RFC 9700, section 2.1.2",
    (state) => `state=${state}&access_token=x&id_token=y&token_type=bearer`,
  ),
  callback("a response as a JWT", "JARM, section 4.1", (state) => `state=${state}&response=a.b.c`),
];
attacks("parameters of the callback", parameters);
attacks("parameters of the callback, on Express 4", onExpress4(parameters));

/** A body posted to the callback, by somebody whose browser waits for a login. */
const posted = (name: string, body: string, headers: Record<string, string>, more: Partial<Case> = {}): Case => ({
  name: `POST: ${name}`,
  source: "OAuth 2.0 Form Post Response Mode, section 2",
  options: { authorizationParams: { response_mode: "form_post" } },
  async act({ victim, base, url }) {
    const state = await beginLogin(victim, base);
    const cookie = await victim.jar.getCookieString(url);
    const text = body.replace("STATE", state);
    const lines = Object.entries({ cookie, accept: "text/html", "content-length": String(text.length), ...headers });
    return sendRaw(
      victim,
      url,
      rawRequest(
        "POST /callback HTTP/1.1",
        lines.map((line) => line.join(": ")),
        text,
      ),
    );
  },
  outcome: refused("callback_invalid"),
  ...more,
});

const FORM = { "content-type": "application/x-www-form-urlencoded" };
const bodies: Case[] = [
  posted("no body", "", FORM),
  posted("a parameter twice", "state=STATE&state=b&code=x", FORM),
  posted("an object", "state[a]=b&code=x", FORM),
  posted("JSON", '{"state":"STATE","code":"x"}', { "content-type": "application/json" }),
  posted("text", "state=STATE&code=x", { "content-type": "text/plain" }),
  posted("no type", "state=STATE&code=x", {}),
  posted("two types", "state=STATE&code=x", { "content-type": "text/plain, application/x-www-form-urlencoded" }),
  posted("a multipart form", "--b\r\n\r\nx\r\n--b--", { "content-type": "multipart/form-data; boundary=b" }),
  posted("over 64 KiB", `state=STATE&code=${"a".repeat(70_000)}`, FORM),
  posted("badly encoded", "state=%E0%A4%A&code=%", FORM, unknownState),
  posted("NUL", "state=\0&code=\0", FORM, unknownState),
  posted("members of __proto__", "__proto__[state]=a&constructor[code]=b", FORM),
];
attacks("bodies that are posted to the callback", bodies);
attacks("bodies that are posted to the callback, on Express 4", onExpress4(bodies));
attacks(
  "bodies that an application's own parsers have read",
  bodies.map((each) => ({
    ...each,
    app: { parsers: true },
  })),
);

/** A cookie jar that somebody has been at. */
const cookies = (name: string, source: string, change: (world: World) => Promise<unknown>, outcome: Outcome): Case => ({
  name,
  source,
  async act(world) {
    const { victim, base } = world;
    const callbackAddress = await victim.loginUntilCallback(`${base}/login?returnTo=/account`);
    await change(world);
    return victim.visit(callbackAddress, { site: "cross-site" });
  },
  outcome,
});

/** Every cookie of the app, changed. */
async function rewrite({ victim, url }: World, change: (value: string, name: string) => string): Promise<void> {
  for (const { key, value } of await victim.jar.getCookies(url))
    await victim.jar.setCookie(`${key}=${change(value, key)}; Path=/`, url, { loose: true });
}

const flipped = (value: string, at: number) =>
  value.slice(0, at) + (value.at(at) === "A" ? "B" : "A") + value.slice(at + 1);

const loginCookies: Case[] = [
  cookies(
    "missing",
    "RFC 9700, section 4.7",
    ({ victim }) => victim.jar.removeAllCookies(),
    refused("login_not_found"),
  ),
  cookies("empty", OWASP, (world) => rewrite(world, () => ""), refused("login_not_found")),
  cookies("garbled", OWASP, (world) => rewrite(world, () => "%E0%A4%A.j:%7B.%01"), refused("login_not_found")),
  ...[5, 45, 60, 120].map((at) =>
    cookies(
      `one letter changed, the ${at}th`,
      "RFC 7516, section 5.2",
      (world) => rewrite(world, (value) => flipped(value, at)),
      refused("login_not_found"),
    ),
  ),
  cookies(
    "cut short",
    "RFC 7516, section 5.2",
    (world) => rewrite(world, (value) => value.slice(0, -1)),
    refused("login_not_found"),
  ),
  cookies(
    "longer",
    "RFC 7516, section 5.2",
    (world) => rewrite(world, (value) => `${value}A`),
    refused("login_not_found"),
  ),
  cookies(
    "padded",
    "RFC 7515, section 2",
    (world) => rewrite(world, (value) => `${value}==`),
    refused("login_not_found"),
  ),
  cookies(
    "in quotes",
    "RFC 6265, section 4.1.1",
    (world) => rewrite(world, (value) => `"${value}"`),
    refused("login_not_found"),
  ),
  cookies("of another of the same person's logins", "RFC 9700, section 4.7", swapLogins, refused("login_not_found")),
  cookies("of another person's login", "RFC 9700, section 4.7", swapPeople, refused("login_not_found")),
  cookies(
    "a header without encryption",
    "RFC 7516, section 4.1",
    (world) => rewrite(world, () => `${btoa('{"alg":"none"}')}...e30.`),
    refused("login_not_found"),
  ),
  cookies("fifty others that look like ours", "CWE-400", plantFifty, welcomed),
];
attacks("cookies of a login", loginCookies);
attacks("cookies of a login, on Express 4", onExpress4(loginCookies));

/** Two logins of one browser whose cookies are exchanged. */
async function swapLogins(world: World): Promise<void> {
  await beginLogin(world.victim, world.base);
  const [one, two] = (await world.victim.jar.getCookies(world.url)).filter(({ key }) => key.includes("portal-login."));
  await world.victim.jar.setCookie(`${one?.key}=${two?.value}; Path=/`, world.url);
  await world.victim.jar.setCookie(`${two?.key}=${one?.value}; Path=/`, world.url);
}

/** The stranger's own login cookie, under the name of the victim's. */
async function swapPeople(world: World): Promise<void> {
  await beginLogin(world.stranger, world.base);
  const [theirs] = (await world.stranger.jar.getCookies(world.url)).filter(({ key }) => key.includes("portal-login."));
  await rewrite(world, (value, key) => (key.includes("portal-login.") ? String(theirs?.value) : value));
}

async function plantFifty({ victim, url }: World): Promise<void> {
  for (let index = 0; index < 50; index += 1)
    await victim.jar.setCookie(`portal-login.${String(index).padStart(16, "A")}=x${index}; Path=/`, url);
}

/** A cookie that only somebody who knows the secret could have made: the store is asked for its session. */
const signedCookie = (id: string) => {
  const signature = createHmac("sha256", SESSION_SECRET).update(id).digest("base64").replace(/=+$/, "");
  return `portal-session=${encodeURIComponent(`s:${id}.${signature}`)}`;
};

/** The victim is logged in; then their session's cookie is changed, and the guarded page asked for by a script. */
const sessionCookie = (
  name: string,
  change: (value: string, world: World) => string | Promise<string>,
  more: Partial<Case> = {},
): Case => ({
  name: `session: ${name}`,
  source: "OWASP ASVS 4.0, 3.2",
  async act(world) {
    await logIn(world);
    for (const { key, value } of await world.victim.jar.getCookies(world.url))
      if (key === "portal-session")
        await world.victim.jar.setCookie(`${key}=${await change(value, world)}; Path=/`, world.url, { loose: true });
    return world.victim.fetch(`${world.base}/account`);
  },
  outcome: refused("login_required"),
  ...more,
});

const decoded = (value: string) => decodeURIComponent(value);
const sessionCookies: Case[] = [
  sessionCookie("empty", () => ""),
  sessionCookie("without its signature", (value) => encodeURIComponent(decoded(value).split(".")[0] ?? "")),
  sessionCookie("another id under the old signature", (value) => encodeURIComponent(flipped(decoded(value), 4))),
  sessionCookie("another signature", (value) => encodeURIComponent(flipped(decoded(value), decoded(value).length - 3))),
  sessionCookie("garbled", () => "s%3A%E0%A4%A"),
  sessionCookie("JSON", () => encodeURIComponent('j:{"portal":{"claims":{"sub":"amara-okafor"}}}')),
  sessionCookie("an id of __proto__", () => signedCookie("__proto__").replace("portal-session=", "")),
  sessionCookie("an id of constructor", () => signedCookie("constructor").replace("portal-session=", "")),
  sessionCookie("an id that nobody has", () => signedCookie("a".repeat(32)).replace("portal-session=", "")),
  {
    name: "session: of an older secret",
    source: "README, SESSION_SECRET",
    async act(world) {
      await logIn(world);
      const [theirs] = (await world.victim.jar.getCookies(world.url)).filter(({ key }) => key === "portal-session");
      const renewed = await startWorld(world.host, { options: { secret: "another-secret-of-32-characters-!!" } });
      await renewed.victim.jar.setCookie(`portal-session=${theirs?.value}; Path=/`, renewed.url, { loose: true });
      return renewed.victim.fetch(`${renewed.base}/account`);
    },
    outcome: ({ status, body }) => void expect([status, JSON.parse(body).code]).toEqual([401, "login_required"]),
  },
  {
    name: "session: of an older secret that is still listed, on a store that both know",
    source: "README, SESSION_SECRET",
    options: { secret: [`new-${SESSION_SECRET}`, SESSION_SECRET] },
    async act(world) {
      const { victim, url, base } = world;
      await logIn(world);
      const signed = decodeURIComponent((await victim.cookies(url)).get("portal-session") ?? "");
      const [id = ""] = signed.slice(2).split(".");
      await victim.jar.setCookie(`${signedCookie(id)}; Path=/`, url); // as it was signed before the new secret came
      return victim.visit(`${base}/account`);
    },
    outcome: welcomed,
  },
];
attacks("cookies of a session", sessionCookies);
attacks("cookies of a session, on Express 4", onExpress4(sessionCookies));

/** Raw HTTP, and what must come back: a status of its own, or one of Node's that no code of ours is asked for. */
const raw = (name: string, source: string, text: string | ((world: World) => string), status: number): Case => ({
  name,
  source,
  act: (world) => sendRaw(world.stranger, world.url, typeof text === "string" ? text : text(world)),
  outcome: async (answer, world) => {
    expect(answer.status).toBe(status);
    const { location = "/" } = answer.headers;
    expect([world.url, world.portal.issuer]).toContain(new URL(location, world.url).origin);
    expect(await world.whoIs(world.victim)).toBeUndefined();
  },
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
    rawRequest("GET /account HTTP/1.1", ["Cookie: portal-session=a", "Cookie: portal-session=b", ...navigation]),
    302,
  ),
  raw("NUL in a header", "RFC 9110, section 5.5", rawRequest("GET /account HTTP/1.1", ["Cookie: a=\0"]), 400),
  raw(
    "a bare line feed in a header",
    "RFC 9112, section 2.2",
    rawRequest("GET /account HTTP/1.1", ["X: a\nSet-Cookie: b=c"]),
    400,
  ),
  raw("an address with a space", "RFC 9112, section 3.2", rawRequest("GET /account page HTTP/1.1"), 400),
  raw(
    "an address in absolute form",
    "RFC 9112, section 3.2.2",
    rawRequest("GET http://evil.example/account HTTP/1.1", navigation),
    302,
  ),
  raw(
    "an address with bytes above 127",
    "RFC 3986, section 2",
    rawRequest("GET /callback?state=\u00e9&code=\u00ff HTTP/1.1"),
    400,
  ),
  raw("an address with a fragment", "RFC 9112, section 3.2", rawRequest("GET /callback#state=a&code=b HTTP/1.1"), 400),
  raw("an encoded path", "RFC 3986, section 2.4", rawRequest("GET /%63allback?state=a&code=b HTTP/1.1"), 404),
  raw("a path that cannot be decoded", "RFC 3986, section 2.4", rawRequest("GET /%E0%A4%A HTTP/1.1"), 404),
  raw("a method that nobody knows", "RFC 9110, section 9", rawRequest("BREW /login HTTP/1.1"), 400),
  raw("DELETE", "RFC 9110, section 9", rawRequest("DELETE /callback HTTP/1.1"), 404),
  raw("TRACE", "RFC 9110, section 9.3.8", rawRequest("TRACE /login HTTP/1.1", [`X-Secret: ${CANARY}`]), 404),
  raw(
    "two lengths",
    "RFC 9112, section 6.3",
    rawRequest("POST /callback HTTP/1.1", ["Content-Length: 5", "Content-Length: 6"], "state"),
    400,
  ),
  raw(
    "a length and chunks",
    "RFC 9112, section 6.1",
    rawRequest("POST /callback HTTP/1.1", ["Content-Length: 5", "Transfer-Encoding: chunked"], "0\r\n\r\n"),
    400,
  ),
  raw("HTTP/1.0 without a host", "RFC 9112, section 3.2", "GET /account HTTP/1.0\r\n\r\n", 401),
  raw("HTTP/0.9", "RFC 9112, section 2.3", "GET /account\r\n\r\n", 401),
  raw("a TLS greeting", "RFC 8446, section 4.1.2", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
];
attacks("requests that no browser would send", requests);
attacks("requests that no browser would send, on Express 4", onExpress4(requests));

/** A header that says who the client is, or where it wants to be. */
const forged = (name: string, headers: Record<string, string>, path = "/account"): Case => ({
  name,
  source: "RFC 9700, section 4.13; CWE-644",
  app: { trustProxy: true },
  act: ({ stranger, base }) => stranger.navigate(base + path, { headers }),
  async outcome(answer, { base, portal }) {
    expect(answer.status).toBe(302);
    const to = new URL(answer.headers.location ?? "");
    expect([to.origin, to.searchParams.get("redirect_uri")]).toEqual([portal.issuer, `${base}/callback`]);
    expect(JSON.stringify(answer)).not.toContain("evil.example");
  },
});
attacks("headers that are forged", [
  forged("Host", { host: "evil.example" }),
  forged("Host with a port and a user", { host: "a:b@evil.example:99" }),
  forged("X-Forwarded-Host", { "x-forwarded-host": "evil.example" }),
  forged("X-Forwarded-Proto", { "x-forwarded-proto": "https, http" }),
  forged("X-Forwarded-Proto of a script", { "x-forwarded-proto": "javascript" }),
  forged("X-Forwarded-Port and -Prefix", { "x-forwarded-port": "99", "x-forwarded-prefix": "//evil.example" }),
  forged("Forwarded", { forwarded: "host=evil.example;proto=https" }),
  forged("X-Original-URL and X-Rewrite-URL", {
    "x-original-url": "//evil.example/",
    "x-rewrite-url": "//evil.example/",
  }),
  forged("Referer and Origin", { referer: "https://evil.example/", origin: "https://evil.example" }),
]);

attacks("logins that go their own way", [
  {
    name: "thirty are abandoned before one is finished",
    source: "README, how a login works",
    async act(world) {
      for (let count = 0; count < 30; count += 1) await beginLogin(world.victim, world.base);
      return logIn(world);
    },
    outcome: welcomed,
  },
  {
    name: "the first of four is finished last",
    source: "README, how a login works",
    async act({ victim, base }) {
      const first = await victim.loginUntilCallback(`${base}/login?returnTo=/account`);
      for (let count = 0; count < 3; count += 1) await beginLogin(victim, base);
      return victim.visit(first, { site: "cross-site" });
    },
    outcome: welcomed,
  },
  {
    name: "the same callback ten times at the same moment: one exchange",
    source: "RFC 6749, section 4.1.2",
    async act({ victim, base }) {
      const callbackAddress = await victim.loginUntilCallback(`${base}/login?returnTo=/account`);
      const answers = await Promise.all(
        Array.from({ length: 10 }, () => victim.navigate(callbackAddress, { site: "cross-site" })),
      );
      expect(new Set(answers.map(({ status, headers }) => `${status} ${headers.location}`))).toEqual(
        new Set(["303 /account"]),
      );
      return victim.visit(`${base}/account`);
    },
    outcome(answer, world) {
      expect(world.asked("/oauth2/token")).toHaveLength(1);
      return welcomed(answer, world);
    },
  },
  {
    name: "finished in another browser",
    source: "RFC 9700, section 4.7",
    act: async ({ victim, stranger, base }) => stranger.visit(await victim.loginUntilCallback(`${base}/login`)),
    outcome: refused("login_not_found"),
  },
  {
    name: "the answer of one login with the state of another",
    source: "RFC 9700, section 4.5",
    async act({ victim, base }) {
      const [one, two] = [
        await victim.loginUntilCallback(`${base}/login`),
        await victim.loginUntilCallback(`${base}/login`),
      ];
      one.searchParams.set("state", stateOf(two));
      return victim.visit(one);
    },
    outcome: refused("client_refused"), // PKCE: the verifier is the other login's
  },
  {
    name: "a prefetch of the callback, and then the person",
    source: "HTML, section 7.6, speculative loading",
    async act({ victim, base }) {
      const address = await victim.loginUntilCallback(`${base}/login?returnTo=/account`);
      expect((await victim.navigate(address, { headers: { "sec-purpose": "prefetch" } })).status).toBe(204);
      return victim.visit(address, { site: "cross-site" });
    },
    outcome: welcomed,
  },
  {
    name: "the connection cut while the code is exchanged: the reload leads on",
    source: "README, how a login works",
    async act({ victim, base, portal, url }) {
      const address = await victim.loginUntilCallback(`${base}/login?returnTo=/account`);
      const cookie = await victim.jar.getCookieString(url);
      const { port } = new URL(url);
      const asked = new Promise<void>((resolve) =>
        portal.answerNext("/oauth2/jwks", (_req, res) => {
          resolve();
          setImmediate(() => res.writeHead(503).end());
        }),
      );
      const socket = connect(Number(port), "127.0.0.1");
      socket.write(
        rawRequest(`GET ${address.pathname}${address.search} HTTP/1.1`, [`Cookie: ${cookie}`, ...navigation]),
      );
      await asked; // in the midst of it
      socket.destroy();
      return victim.visit(address, { site: "cross-site" });
    },
    outcome: allOf(refused("portal_failed"), ({ body }) => {
      expect(body).toContain('href="/login?returnTo=%2Faccount"'); // the code is spent: from here they sign in again
    }),
  },
  {
    name: "by form, posted twice at the same moment: one exchange",
    source: "OAuth 2.0 Form Post Response Mode",
    options: { authorizationParams: { response_mode: "form_post" } },
    async act({ victim, base, asked }) {
      const page = await victim.visit(`${base}/account`);
      await Promise.all([submitForm(victim, page), submitForm(victim, page)]);
      expect(asked("/oauth2/token")).toHaveLength(1);
      return victim.visit(`${base}/account`);
    },
    outcome: welcomed,
  },
]);

attacks("while the store is away", [
  ...["/callback", "/callback/", "/other/callback"].map(
    (path): Case => ({
      name: `a page at ${path} holds no code`,
      source: "RFC 9700, section 4.2",
      options: { store: "redis://127.0.0.1:1" },
      act: ({ victim, base }) =>
        victim.navigate(`${base}${path}?state=abc&code=a-code-in-an-address`, {
          headers: { cookie: signedCookie("a") },
        }),
      outcome({ status, body }) {
        expect([status, body.includes("a-code-in-an-address")]).toEqual([503, false]);
      },
    }),
  ),
  {
    name: "a page's way to try again stays on this site, whatever address was asked for",
    source: "CWE-601",
    options: { store: "redis://127.0.0.1:1" },
    async act({ stranger, url }) {
      const headers = [`Cookie: ${signedCookie("a")}`, ...navigation];
      return sendRaw(stranger, url, rawRequest("GET //evil.example/account HTTP/1.1", headers));
    },
    outcome({ status, body }, { url }) {
      expect(status).toBe(503);
      expect(body).toContain("Try again");
      for (const [, href = ""] of body.matchAll(/href="([^"]*)"/g)) expect(new URL(href, url).origin).toBe(url);
    },
  },
]);

/** Who owns a neighbouring host can set cookies for the domain above both; browsers let them name none __Host-. */
const tossed = (name: string, act: (world: World) => Promise<Answer>, outcome: Outcome): Case => ({
  name,
  source: "RFC 6265bis, section 4.1.3.2; RFC 9700, section 4.7",
  https: true,
  act,
  outcome,
});

attacks("over https, behind a proxy", [
  { name: "a login", source: "README, production checklist", https: true, outcome: welcomed },
  tossed(
    "all cookies are Secure, HttpOnly, SameSite and bound to the host by their names",
    async (world) => {
      await logIn(world);
      return world.victim.visit(`${world.base}/logout`, { site: "same-origin" });
    },
    (_answer, { victim, url }) => {
      const ours = victim.answers.filter(({ url: at }) => at.startsWith(url));
      const lines = ours.flatMap(({ headers }) => headers["set-cookie"] ?? []);
      expect(lines.length).toBeGreaterThan(2);
      for (const line of lines) expect(line).toMatch(/^__Host-portal-(login\.[\w-]{16}|session)=/);
      for (const line of lines) expect(line).toMatch(/; Path=\/;(?!.*Domain).*HttpOnly; Secure(; SameSite=Lax)?$/);
    },
  ),
  tossed(
    "the stranger's login, planted under a name without the prefix, finishes nothing in the victim's browser",
    async ({ victim, stranger, base, url }) => {
      stranger.person = { sub: "jonas-weber" };
      const theirs = await stranger.loginUntilCallback(`${base}/login`);
      for (const { key, value } of await stranger.jar.getCookies(url))
        await victim.jar.setCookie(`${key.replace("__Host-", "")}=${value}; Path=/; Secure`, url);
      return victim.visit(theirs, { site: "cross-site" });
    },
    refused("login_not_found"),
  ),
  tossed(
    "the stranger's session, planted likewise, makes nobody of the victim",
    async (world) => {
      const { victim, stranger, base, url } = world;
      stranger.person = { sub: "jonas-weber" };
      await stranger.visit(`${base}/account`);
      const value = (await stranger.cookies(url)).get("__Host-portal-session");
      expect(value).toBeDefined();
      await victim.jar.setCookie(`portal-session=${value}; Path=/; Secure`, url);
      return victim.fetch(`${base}/account`);
    },
    async ({ status }, { whoIs, victim }) => void expect([status, await whoIs(victim)]).toEqual([401, undefined]),
  ),
  tossed(
    "who speaks to the app past the proxy begins no login: its cookie could not be Secure",
    ({ stranger, behind }) => stranger.navigate(`${behind}/login`),
    (answer) => {
      expect(answer.headers["set-cookie"]).toBeUndefined();
      expect([answer.status, answer.body.includes("proxy_not_trusted")]).toEqual([500, true]);
    },
  ),
  tossed(
    "who says past the proxy that it is https gets a cookie that is Secure all the same",
    ({ stranger, behind }) => stranger.navigate(`${behind}/login`, { headers: { "x-forwarded-proto": "https" } }),
    ({ status, headers }) => {
      expect([status, headers["set-cookie"]]).toEqual([302, [expect.stringMatching(/^__Host-.*; Secure; /)]]);
    },
  ),
]);
