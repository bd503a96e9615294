import type { NextFunction, Request, RequestHandler, Response } from "express";
import session from "express-session";
import { getSessionCookieName } from "../http/cookie-names.js";
import { createMemoryStore } from "../store/memory-store.js";
import { PortalSessionStore } from "../store/portal-session-store.js";
import type { EntryStore } from "../store/record-store.js";
import type { LoginPolicy } from "./login-policy.js";

export interface OwnSessionOptions {
  /** The portalAuth() whose session it is. */
  readonly policy: LoginPolicy;
  readonly secrets: readonly string[];
  readonly isHttps: boolean;
  /** Whether every request counts as https: see over-https.ts. */
  readonly isTlsTerminated: boolean;
  readonly sameSite: "lax" | "strict";
  /** After so long without a request the session ends, in seconds. */
  readonly idleSeconds: number;
  /** The issuer, client and redirect URI, as one text. */
  readonly tenant: string;
  /** The option `store`; undefined: the memory of this process. */
  readonly entries: EntryStore | undefined;
  /** Settled once the store has been connected, or has failed; absent if it needs no connection. */
  readonly opened: Promise<void> | undefined;
  readonly warn: (message: string) => void;
}

const IN_MEMORY_WARNING =
  "Sessions are kept in the memory of this process: they are lost when it restarts, and other processes do not see them. Set SESSION_STORE_URL to a Redis or PostgreSQL server.";

export interface OwnSession {
  readonly mount: RequestHandler;
  readonly store: PortalSessionStore;
}

/** Creates the middleware of our own session, when the first request needs it. */
export function createOwnSession(options: OwnSessionOptions, isMultiTenant: boolean): OwnSession {
  const { policy, secrets, isHttps, isTlsTerminated, sameSite, idleSeconds, tenant, entries, opened, warn } =
    options;
  const secretSuffix = policy.name ?? (isMultiTenant ? tenant : undefined);
  const name = getSessionCookieName({ name: policy.name, https: isHttps });
  const lifetime = { getLifeMs: () => idleSeconds * 1000, isCookieSetOnce: true };
  const entryStore = entries ?? createMemoryStore(policy.clock, () => warn(IN_MEMORY_WARNING));
  const store = new PortalSessionStore(entryStore, lifetime, { opened });
  const handle = session({
    name,
    // A cookie of one instance, or of one tenant, is not valid for another.
    secret: secrets.map((secret) => (secretSuffix === undefined ? secret : `${secret} ${secretSuffix}`)),
    store,
    resave: false,
    saveUninitialized: false,
    // Our cookie is Secure because PORTAL_REDIRECT_URI says https. X-Forwarded-Proto only lets it be set behind a
    // proxy that ends TLS: a stranger who forges that header gains a cookie that their browser will not send.
    // With tlsTerminated, req.secure is true, and express-session reads that if `proxy` is left out.
    ...(isHttps && !isTlsTerminated && { proxy: true }),
    // The cookie lives as long as a login can. The idle limit is enforced by the store.
    cookie: { path: "/", httpOnly: true, sameSite, secure: isHttps, maxAge: policy.sessionAbsolute * 1000 },
  });
  return { mount, store };

  function mount(req: Request, res: Response, next: NextFunction): void {
    // cookie-parser reads what begins with "j:" as JSON, and express-session takes any cookie for a text.
    if (typeof (req.cookies?.[name] ?? "") !== "string") delete req.cookies[name];
    if (req.signedCookies) delete req.signedCookies[name]; // signed with whichever secret: express-session would believe it
    handle(req, res, next);
  }
}
