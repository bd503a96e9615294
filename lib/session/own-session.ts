import type { Request, RequestHandler, Response } from "express";
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

/** Requests whose session is one of ours, by whichever router: it must not be taken for the app's. */
const withOwnSession = new WeakSet<Request>();

/**
 * The app's own session where it has mounted one, otherwise one of ours, made when it is first needed. Decided for each
 * request by itself: what a stranger's request meets on its way must not change what another's does.
 */
export function createSessionMount(options: OwnSessionOptions): RequestHandler {
  let ours: RequestHandler | undefined;
  let metApps = false;
  let told = false;
  return function mountSession(req, res, next) {
    if (req.session) {
      metApps ||= !withOwnSession.has(req);
      return next();
    }
    if (metApps && !told) {
      told = true;
      options.warn(
        "Some requests come with the app's express-session and some without: mount it before portalAuth(), for the same paths. Those without got a session of portalAuth's own.",
      );
    }
    withOwnSession.add(req);
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
 * succeed, the session be lost, and the person sent to the portal for ever: better to say so. X-Forwarded-Proto counts
 * here although an app's session may not believe it; whether it did is seen afterwards, by sessionCookieIsMissing.
 *
 * @throws PortalAuthError `proxy_not_trusted`
 */
export function checkCookieCanBeSet(req: Request): void {
  if (req.session?.cookie?.secure !== true) return;
  const [scheme = ""] = String(req.headers["x-forwarded-proto"] ?? "").split(",");
  const overHttps = req.secure || scheme.trim().toLowerCase() === "https";
  if (!overHttps) throw new PortalAuthError("proxy_not_trusted");
}

/** Whether an answer that begins a session went out without its cookie: in doubt only where Express sees plain http. */
export function sessionCookieIsMissing(req: Request, res: Response): boolean {
  if (req.secure || req.session?.cookie?.secure !== true) return false;
  const lines = [res.getHeader("Set-Cookie") ?? []].flat();
  return !lines.some((line) => String(line).includes(`=s%3A${encodeURIComponent(req.sessionID)}.`));
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
