import type { NextFunction, Request, RequestHandler, Response } from "express";
import session from "express-session";
import { getSessionCookieName } from "../http/cookie-names.js";
import { createMemoryStore } from "../store/memory-store.js";
import { PortalSessionStore } from "../store/portal-session-store.js";
import type { EntryStore } from "../store/record-store.js";
import type { LoginPolicy } from "./login-policy.js";

export interface OwnSessionOptions {
  /** The rules of the portalAuth() that the session belongs to. */
  readonly policy: LoginPolicy;
  readonly secrets: readonly string[];
  readonly isHttps: boolean;
  /** Whether every request counts as https, because a proxy ends TLS: see the option `tlsTerminated`. */
  readonly isTlsTerminated: boolean;
  readonly sameSite: "lax" | "strict";
  /** The session expires after this time without a request, in seconds. */
  readonly idleSeconds: number;
  /** The issuer, client and redirect URI of the portalAuth(), as one text. */
  readonly portalAuthIdentity: string;
  /** The option `store`. If it is undefined, sessions are stored in the memory of this process. */
  readonly entries: EntryStore | undefined;
  /**
   * Settled when the store has connected, or has failed. It is undefined if the store needs no connection.
   */
  readonly opened: Promise<void> | undefined;
  readonly warn: (message: string) => void;
}

const IN_MEMORY_WARNING =
  "Sessions are kept in the memory of this process: they are lost when it restarts, and other processes do " +
  "not see them. Set SESSION_STORE_URL to a Redis or PostgreSQL server.";

/** The middleware that loads our own session, and its store. */
export interface OwnSession {
  readonly mount: RequestHandler;
  readonly store: PortalSessionStore;
}

/**
 * Creates the middleware and the store of our own session. The middleware sets `req.session` and, when a
 * session starts, the session cookie. The cookie's lifetime is `sessionAbsolute`; the store enforces the idle
 * time.
 *
 * @param isMultiTenant whether the session cookie must not be valid for other tenants
 */
export function createOwnSession(options: OwnSessionOptions, isMultiTenant: boolean): OwnSession {
  const { policy, isHttps, isTlsTerminated, sameSite, idleSeconds, entries, opened, warn } = options;
  const name = getSessionCookieName({ name: policy.name, https: isHttps });
  const lifetime = { getLifeMs: () => idleSeconds * 1000, isCookieSetOnce: true };
  const entryStore = entries ?? createMemoryStore(policy.clock, () => warn(IN_MEMORY_WARNING));
  const store = new PortalSessionStore(entryStore, lifetime, { opened });
  const handle = session({
    name,
    secret: createSecrets(options, isMultiTenant),
    store,
    resave: false,
    saveUninitialized: false,
    // The cookie is Secure, because PORTAL_REDIRECT_URI says https. With `proxy`, express-session reads
    // X-Forwarded-Proto, and sets the cookie behind a proxy that ends TLS. A forged header does no harm: the
    // browser does not send a Secure cookie over http. With tlsTerminated, `req.secure` is true, and
    // express-session reads it if `proxy` is omitted.
    ...(isHttps && !isTlsTerminated && { proxy: true }),
    // The cookie lives as long as a login can. The store enforces the idle time.
    cookie: { path: "/", httpOnly: true, sameSite, secure: isHttps, maxAge: policy.sessionAbsolute * 1000 },
  });
  return { mount: createMount(name, handle), store };
}

/** Returns the secrets that sign the cookie. A cookie of one instance or tenant is not valid for another. */
function createSecrets(
  { policy, secrets, portalAuthIdentity }: OwnSessionOptions,
  isMultiTenant: boolean,
): string[] {
  const suffix = policy.name ?? (isMultiTenant ? portalAuthIdentity : undefined);
  return secrets.map((secret) => (suffix === undefined ? secret : `${secret} ${suffix}`));
}

function createMount(name: string, handle: RequestHandler): RequestHandler {
  return function mount(req: Request, res: Response, next: NextFunction): void {
    // cookie-parser parses a cookie that begins with "j:" as JSON, but express-session expects a string.
    if (typeof (req.cookies?.[name] ?? "") !== "string") delete req.cookies[name];
    // express-session would accept this cookie, although the application has signed it with another secret.
    if (req.signedCookies) delete req.signedCookies[name];
    handle(req, res, next);
  };
}
