import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import type { SessionData } from "express-session";
import type { Claims, TokenSet } from "../contract/tokens.js";
import { callbackPaths, type TestLogin, testLogins } from "../http/test-login.js";
import { formatCookieHeader, storeCookies } from "./cookie-jar.js";
import { type ReceivedResponse, sendRequest } from "./send-request.js";

/**
 * Tokens of a test login. Default: an access token that expires in one hour by the app's clock, and no
 * refresh token.
 */
export type TestTokens = Partial<TokenSet>;

/** Options of loginAs(). */
export interface LoginAsOptions {
  /**
   * The path of the callback, as a browser requests it. Default: the callback path of each portalAuth() in
   * this process, one after the other, until one creates the session.
   */
  readonly path?: string;
  /** Headers of the request. Example: `{ host: "tenant.example" }` if the host selects the portalAuth(). */
  readonly headers?: Readonly<Record<string, string>>;
  /** The option `name` of the portalAuth() that creates the session. Default: the first one that is found. */
  readonly portal?: string;
  /** Further content of the session: what your onLogin hook would add to `context.session`. */
  readonly session?: Partial<SessionData>;
}

/**
 * Signs a user in without a provider, for tests. Returns the Cookie header of a signed-in browser, for
 * supertest or fetch. For Playwright, convert it with cookiesFor().
 *
 * The app receives one real HTTP request at its callback path, and creates the session as it does after a
 * login. It uses its own express-session, its own store, its own clock and its own choice of a tenant. No
 * hook is called: pass what onLogin would add with `session`.
 *
 * Only code in this process can create such a login. It is bound to the request object, and nothing in an
 * HTTP request can create one.
 *
 * @param app an Express app or another request listener. It must contain a portalAuth().
 * @param claims the claims of the user. `sub` is required.
 * @param tokens the tokens of the login. A test of expiry sets `expires_at`, or uses a fake clock.
 * @throws TypeError if `sub` is missing, the app is not a function, or a key in `session` is reserved.
 * @throws Error if no portalAuth() of the app creates the session. The message lists the paths it has tried.
 */
export async function loginAs(
  app: RequestListener,
  claims: Claims,
  tokens: TestTokens = {},
  options: LoginAsOptions = {},
): Promise<string> {
  if (typeof claims?.sub !== "string" || claims.sub === "")
    throw new TypeError('loginAs: the claims need a sub, for example loginAs(app, { sub: "user-1" })');
  if (typeof app !== "function")
    throw new TypeError(
      "loginAs: pass the app itself (or another request listener), not its server or its URL",
    );
  const { headers = {}, portal, session = {} } = options;
  const paths = options.path === undefined ? [...callbackPaths] : [options.path];
  const attempts: string[] = [];
  for (const path of paths) {
    const testLogin: TestLogin = { claims, tokens, session, instance: portal, isTaken: false };
    const { status, cookies } = await sendTestLogin(app, path, testLogin, headers);
    if (testLogin.refusal !== undefined) throw new TypeError(`loginAs: ${testLogin.refusal}`);
    if (testLogin.isTaken) return formatCookieHeader(storeCookies(new Map(), cookies));
    attempts.push(`${path} returned ${status}`);
  }
  throw new Error(`loginAs: no portalAuth() of this app created a session. ${describeAttempts(attempts)}`);
}

const describeAttempts = (attempts: readonly string[]): string =>
  attempts.length === 0
    ? "This process has no portalAuth() yet: create the app before you call loginAs()."
    : `Tried: ${attempts.join(", ")}. Set the path of the callback with { path }, and the name of the ` +
      "portalAuth() with { portal }. If the host selects it, set { headers: { host } }.";

const MARK_HEADER = "x-login-as";

/** Sends the app one real HTTP request, and binds the login to the request object that the app receives. */
async function sendTestLogin(
  app: RequestListener,
  path: string,
  testLogin: TestLogin,
  headers: Readonly<Record<string, string>>,
): Promise<ReceivedResponse> {
  const mark = randomUUID(); // Other clients that find this port must not get the login.
  const server = createServer((req, res) => {
    if (req.headers[MARK_HEADER] !== mark) {
      res.destroy();
      return;
    }
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

/** Marks the connection as HTTPS. Otherwise express-session would set no Secure cookie. */
function markAsHttps({ socket }: IncomingMessage): void {
  Object.defineProperty(socket, "encrypted", { value: true, configurable: true });
}
