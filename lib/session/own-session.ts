import type { Request, RequestHandler } from "express";
import session, { type Store } from "express-session";
import { PortalAuthError } from "../errors.js";
import { MemoryStore } from "./memory-store.js";

export interface OwnSessionOptions {
  readonly secrets: readonly string[];
  readonly https: boolean;
  readonly idleSeconds: number;
  readonly store: Store | undefined;
  /** Told once, when the first session is kept in memory. */
  readonly warn: (message: string) => void;
}

/** The app's own session where it has mounted one, otherwise one of ours, made when it is first needed. */
export function createSessionMount(options: OwnSessionOptions): RequestHandler {
  let appHasSession = false;
  let ours: RequestHandler | undefined;
  return function mountSession(req, res, next) {
    if (req.session) appHasSession = true;
    // an app's session that is missing now and then (its store is away, its cookie has a path) is still the app's
    if (appHasSession) return next();
    ours ??= ownSession(options);
    return ours(req, res, next);
  };
}

function ownSession({ secrets, https, idleSeconds, store, warn }: OwnSessionOptions): RequestHandler {
  return session({
    name: https ? "__Host-portal-session" : "portal-session",
    secret: [...secrets],
    store: store ?? inMemory(warn),
    resave: false,
    saveUninitialized: false,
    rolling: true,
    // Our cookie is Secure because PORTAL_REDIRECT_URI says https. X-Forwarded-Proto only lets it be set behind a
    // proxy that ends TLS: a stranger who forges that header gains a cookie that their browser will not send.
    ...(https && { proxy: true }),
    cookie: { path: "/", httpOnly: true, sameSite: "lax", secure: https, maxAge: idleSeconds * 1000 },
  });
}

/**
 * express-session leaves a Secure cookie out, silently, when it takes a request for plain http. The login would then
 * succeed, the session be lost, and the person sent to the portal for ever: better to say so.
 *
 * @throws PortalAuthError `proxy_not_trusted`
 */
export function checkCookieCanBeSet(req: Request): void {
  if (req.session?.cookie?.secure !== true) return;
  const [scheme = ""] = String(req.headers["x-forwarded-proto"] ?? "").split(",");
  const overHttps = req.secure || scheme.trim().toLowerCase() === "https";
  if (!overHttps) throw new PortalAuthError("proxy_not_trusted");
}

function inMemory(warn: (message: string) => void): Store {
  const store = new MemoryStore();
  const set = store.set.bind(store);
  store.set = (...args) => {
    store.set = set;
    warn("Sessions are kept in the memory of this process: fine for one process, lost when it restarts.");
    return set(...args);
  };
  return store;
}
