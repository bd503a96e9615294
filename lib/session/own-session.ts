import type { NextFunction, Request, RequestHandler, Response } from "express";
import session from "express-session";
import { getSessionCookieName } from "../http/cookie-names.js";
import { createMemoryStore } from "../store/memory-store.js";
import type { EntryStore } from "../store/records.js";
import { PortalSessionStore } from "../store/session-store.js";
import type { SessionRules } from "./session-rules.js";

export interface OwnSessionOptions {
  /** The portalAuth() whose session it is. */
  readonly rules: SessionRules;
  readonly secrets: readonly string[];
  readonly https: boolean;
  /** Whether every request counts as https: see over-https.ts. */
  readonly tlsTerminated: boolean;
  readonly sameSite: "lax" | "strict";
  /** After so long without a request the session ends, in seconds. */
  readonly idleSeconds: number;
  /** The issuer, client and redirect URI, as one text. */
  readonly belongsTo: string;
  /** The option `store`; undefined: the memory of this process. */
  readonly entries: EntryStore | undefined;
  /** Settled once the store has been connected, or has failed; absent if it needs no connection. */
  readonly opened: Promise<void> | undefined;
  readonly warn: (message: string) => void;
}

const IN_MEMORY =
  "Sessions are kept in the memory of this process: they are lost when it restarts, and other processes do not see them. Set SESSION_STORE_URL to a Redis or PostgreSQL server.";

export interface OwnSession {
  readonly mount: RequestHandler;
  readonly store: PortalSessionStore;
}

/** Creates the middleware of our own session, when the first request needs it. */
export function createOwnSession(options: OwnSessionOptions, isChosen: boolean): OwnSession {
  const { rules, secrets, https, tlsTerminated, sameSite, idleSeconds, belongsTo, entries, opened, warn } =
    options;
  const own = rules.name ?? (isChosen ? belongsTo : undefined);
  const name = getSessionCookieName({ name: rules.name, https });
  const lives = { lifeMs: () => idleSeconds * 1000, isCookieSetOnce: true };
  const kept = entries ?? createMemoryStore(rules.clock, () => warn(IN_MEMORY));
  const store = new PortalSessionStore(kept, lives, { opened });
  const handle = session({
    name,
    // A cookie of one instance, or of one tenant, is not valid for another.
    secret: secrets.map((secret) => (own === undefined ? secret : `${secret} ${own}`)),
    store,
    resave: false,
    saveUninitialized: false,
    // Our cookie is Secure because PORTAL_REDIRECT_URI says https. X-Forwarded-Proto only lets it be set behind a
    // proxy that ends TLS: a stranger who forges that header gains a cookie that their browser will not send.
    // With tlsTerminated, req.secure is true, and express-session reads that if `proxy` is left out.
    ...(https && !tlsTerminated && { proxy: true }),
    // The cookie lives as long as a login can. The idle limit is enforced by the store.
    cookie: { path: "/", httpOnly: true, sameSite, secure: https, maxAge: rules.sessionAbsolute * 1000 },
  });
  return { mount, store };

  function mount(req: Request, res: Response, next: NextFunction): void {
    // cookie-parser reads what begins with "j:" as JSON, and express-session takes any cookie for a text.
    if (typeof (req.cookies?.[name] ?? "") !== "string") delete req.cookies[name];
    if (req.signedCookies) delete req.signedCookies[name]; // signed with whichever secret: express-session would believe it
    handle(req, res, next);
  }
}
