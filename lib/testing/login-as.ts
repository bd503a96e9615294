import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import type { SessionData } from "express-session";
import type { Claims, TokenSet } from "../contract/tokens.js";
import { callbackPaths, type TestLogin, testLogins } from "../http/test-login.js";
import { formatCookieHeader, storeCookies } from "./cookie-jar.js";
import { sendRequest } from "./send-request.js";

/** Tokens for a login of a test. What is left out: an access token that ends in an hour by the app's clock, and no refresh token. */
export type TestTokens = Partial<TokenSet>;

/** What loginAs() may have to be told. */
export interface LoginAsOptions {
  /**
   * The callback's path, as a browser would ask for it. Default: that of each portalAuth() of this process, one after the
   * other, until one takes it.
   */
  readonly path?: string;
  /** Headers of the request, e.g. `{ host: "tenant.example" }` where a host chooses the portalAuth(). */
  readonly headers?: Readonly<Record<string, string>>;
  /** Which portalAuth() is to take the login: its option `name`. Default: the first that is found. */
  readonly portal?: string;
  /** What else shall be in the session: what your onLogin hook would have put into `context.session`. */
  readonly session?: Partial<SessionData>;
}

/**
 * Logs somebody in without a portal, for tests: gives the cookie header of a browser that is logged in, for supertest,
 * fetch or Playwright (cookiesFor). The app gets one real request, at its callback's path, and answers with a session as
 * it would after a login: by its own express-session, its own store, its own clock, its own choice of a tenant. Hooks are
 * not called: what onLogin would have put into the session is for you to give.
 *
 * Only code in this process can do it: what makes the login is the request object, and nothing that is sent.
 *
 * @param app an Express app, or any request listener, with a portalAuth() in it
 * @param claims of the person; `sub` at least
 * @param tokens as a portal would have given them; `expires_at` in the past, or a fake clock, for expiry
 * @throws TypeError claims without `sub`, an app that is none, session keys that are taken; Error when no portalAuth() of the app took it: what was tried, and what to do
 */
export async function loginAs(
  app: RequestListener,
  claims: Claims,
  tokens: TestTokens = {},
  options: LoginAsOptions = {},
): Promise<string> {
  if (typeof claims?.sub !== "string" || claims.sub === "")
    throw new TypeError('loginAs: claims need a sub, e.g. loginAs(app, { sub: "somebody" })');
  if (typeof app !== "function")
    throw new TypeError(
      "loginAs: give the app itself (or any request listener), and not its server or address",
    );
  const { headers = {}, portal, session = {} } = options;
  const paths = options.path === undefined ? [...callbackPaths] : [options.path];
  const attempts: string[] = [];
  for (const path of paths) {
    const testLogin: TestLogin = { claims, tokens, session, instance: portal, isTaken: false };
    const { status, cookies } = await sendTestLogin(app, path, testLogin, headers);
    if (testLogin.refusal !== undefined) throw new TypeError(`loginAs: ${testLogin.refusal}`);
    if (testLogin.isTaken) return formatCookieHeader(storeCookies(new Map(), cookies));
    attempts.push(`${path} answered ${status}`);
  }
  throw new Error(`loginAs: no portalAuth() of this app began a session. ${describeAttempts(attempts)}`);
}

const describeAttempts = (attempts: readonly string[]): string =>
  attempts.length === 0
    ? "None was made in this process: create the app before you call loginAs()."
    : `Tried: ${attempts.join(", ")}. Say where its callback is with { path }, its name with { portal }, and with { headers: { host } } where a host chooses it.`;

const MARK_HEADER = "x-login-as";

/** One request over real HTTP, whose object on the other side carries the ticket. */
async function sendTestLogin(
  app: RequestListener,
  path: string,
  testLogin: TestLogin,
  headers: Readonly<Record<string, string>>,
) {
  const mark = randomUUID(); // whoever else finds this port gets no login
  const server = createServer((req, res) => {
    if (req.headers[MARK_HEADER] !== mark) return void res.destroy();
    delete req.headers[MARK_HEADER];
    testLogins.set(req, testLogin);
    markAsHttps(req);
    app(req, res);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  try {
    const { port } = server.address() as AddressInfo;
    return await sendRequest(new URL(path, `http://127.0.0.1:${port}`), {
      accept: "*/*",
      ...headers,
      [MARK_HEADER]: mark,
    });
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

/** Or no Secure cookie would be set. */
function markAsHttps({ socket }: IncomingMessage): void {
  Object.defineProperty(socket, "encrypted", { value: true, configurable: true });
}
