import type { NextFunction, Request, RequestHandler, Response } from "express";
import session, { type Store } from "express-session";
import type { Clock } from "../clock.js";
import { sessionCookieName } from "../cookie-names.js";
import { PortalAuthError } from "../errors.js";
import type { Lock } from "../lock.js";
import { describeForwarding, isKnownToBeHttps, isOverHttps, isSaidToBeHttp } from "../over-https.js";
import { chosenRequests } from "./chosen.js";
import { holderBeside, holderOf, type Instance } from "./holder.js";
import { findKeeper, type Keeper, keeperOf } from "./keeper.js";
import type { Limits } from "./lifetime.js";
import { MemoryStore } from "./memory-store.js";
import { isExpressSession, restoreAtEnd, sessionsBehind, showSession } from "./other-sessions.js";
import { agreeOnStore, refuseAppsStore, type SessionRules } from "./shared-store.js";
import type { Tenant } from "./tenants.js";

export interface SessionMountOptions extends Instance {
  readonly secrets: readonly string[];
  readonly https: boolean;
  /** Whether every request counts as https: see over-https.ts. */
  readonly tlsTerminated: boolean;
  readonly sameSite: "lax" | "strict";
  readonly limits: Limits;
  /** Whose logins are kept. */
  readonly tenant: Tenant;
  /** The same in one word, with the redirect address. */
  readonly belongsTo: string;
  readonly store: Store | undefined;
  /** Settled when the store can be asked; absent for one that can be at once. */
  readonly opened: Promise<void> | undefined;
  readonly lock: Lock | undefined;
  readonly clock: Clock;
  readonly warn: (message: string) => void;
}

/** Requests whose session is one of ours, by whichever router: it must not be taken for the app's. */
const withOwnSession = new WeakSet<Request>();

/**
 * The app's own session where it has mounted one, otherwise one of ours, made when it is first needed. Decided for each
 * request by itself: what a stranger's request meets on its way must not change what another's does.
 */
export function createSessionMount(options: SessionMountOptions): RequestHandler {
  const { clock, lock, tenant, warn } = options;
  if (options.store) agreeOnStore(options.store, rulesOf(options));
  let ours: OwnSession | undefined;
  let met: Store | undefined;
  let metApps = false;
  let told = false;
  let hasLooked = false;
  /** Whether the app uses another session package, so that ours must not depend on `req.session`. */
  let isBeside = false;
  let opening = options.opened?.finally(() => {
    opening = undefined;
  });
  return options.name === undefined ? mountSession : mountBeside;

  /** Whatever session the application has: this one has a cookie and a place of its own. */
  function mountBeside(req: Request, res: Response, next: NextFunction): void {
    if (options.store && req.sessionStore === options.store && !withOwnSession.has(req)) refuseAppsStore();
    mountOurs(holderOf(req, options), res, next);
  }

  /** Beside another package's session, which stays at `req.session`. */
  function mountBesideAnother(req: Request, res: Response, next: NextFunction): void {
    const isFree = !req.session;
    const holder = holderBeside(req);
    if (isFree) showSession(req, holder);
    mountOurs(holder, res, next);
  }

  function keepBeside(): void {
    if (!isBeside) warn(BESIDE_ANOTHER);
    isBeside = true;
  }

  /** What an app mounts behind us is seen at the first request. */
  function lookBehind(req: Request): void {
    hasLooked = true;
    if (req.session) return;
    const behind = sessionsBehind(req);
    if (behind.includes("cookie-session")) keepBeside();
    if (behind.includes("express-session")) warn(SESSION_BEHIND);
  }

  function mountSession(req: Request, res: Response, next: NextFunction) {
    if (!hasLooked) lookBehind(req);
    const loaded = req.session;
    if (loaded && !isExpressSession(loaded)) keepBeside();
    if (isBeside && !isExpressSession(loaded)) return mountBesideAnother(req, res, next);
    if (loaded) {
      if (req.sessionStore !== met) meet(req.sessionStore);
      if (!metApps && !withOwnSession.has(req)) meetApps();
      const adopting = findKeeper(met)?.adopt(loaded);
      return adopting ? void adopting.then(() => next(), next) : next();
    }
    if (findKeeper(met)?.isAway) return next(isAway());
    if (metApps && !told) {
      told = true;
      warn(
        "Some requests come with the app's express-session and some without: mount it before portalAuth(), for the same paths. Those without got a session of portalAuth's own.",
      );
    }
    withOwnSession.add(req);
    mountOurs(req, res, (error?: unknown) => {
      if (!error) restoreAtEnd(req, res, keepBeside);
      next(error);
    });
  }

  function mountOurs(req: Request, res: Response, next: NextFunction) {
    ours ??= ownSession(options, chosenRequests.has(req));
    const { mount, keeper } = ours;
    if (keeper.isAway) return next(isAway());
    if (!opening) return void mount(req, res, next);
    opening.then(() => mount(req, res, next)).catch(next); // nobody else catches what is thrown here
  }

  function meet(store: Store | undefined): void {
    // anything else is no express-session, and told when it is needed
    if (typeof store?.createSession === "function")
      keeperOf(store, { clock, lock, warn, limits: undefined }).admit(tenant);
    met = store;
  }

  function meetApps(): void {
    metApps = true;
    if (options.store) warn(UNUSED);
  }
}

const BESIDE_ANOTHER =
  "The app mounts a session middleware that is not express-session (such as cookie-session). It keeps req.session, and portalAuth() keeps its logins in a session of its own beside it, at req.portal.session.";

const SESSION_BEHIND =
  "The app mounts express-session after portalAuth(), where it is not used: req.session is portalAuth()'s own. Mount express-session before portalAuth(), or remove it.";

const UNUSED =
  "The app mounts an express-session of its own, so the store of portalAuth (SESSION_STORE_URL, option store) is not used: sessions are where the app keeps them.";

const IN_MEMORY =
  "Sessions are kept in the memory of this process: fine for one process, lost when it restarts. SESSION_STORE_URL names a Redis or PostgreSQL instead.";

const isAway = () => new Error("the session store says that it is disconnected");

const rulesOf = ({ https, sameSite, limits }: SessionMountOptions): SessionRules => ({
  sessionIdle: limits.idleSeconds,
  sessionAbsolute: limits.absoluteSeconds,
  sameSite,
  "scheme of redirectUri": https,
});

interface OwnSession {
  readonly mount: RequestHandler;
  readonly keeper: Keeper;
}

function ownSession(options: SessionMountOptions, isChosen: boolean): OwnSession {
  const { secrets, https, tlsTerminated, sameSite, limits, tenant, clock, lock, warn, name: instance } = options;
  const own = instance ?? (isChosen ? options.belongsTo : undefined);
  const store = options.store ?? new MemoryStore(clock, () => warn(IN_MEMORY));
  const keeper = keeperOf(store, { clock, lock, limits, warn });
  keeper.admit(tenant);
  const name = sessionCookieName({ name: instance, https });
  const handle = session({
    name,
    // a cookie of one instance, or of one tenant, is none of another
    secret: secrets.map((secret) => (own === undefined ? secret : `${secret} ${own}`)),
    store,
    resave: false,
    saveUninitialized: false,
    // Our cookie is Secure because PORTAL_REDIRECT_URI says https. X-Forwarded-Proto only lets it be set behind a
    // proxy that ends TLS: a stranger who forges that header gains a cookie that their browser will not send.
    // With tlsTerminated, req.secure is true, and express-session reads that if `proxy` is left out.
    ...(https && !tlsTerminated && { proxy: true }),
    // the cookie lives as long as a login may; the idle limit is enforced by what the stored session says
    cookie: { path: "/", httpOnly: true, sameSite, secure: https, maxAge: limits.absoluteSeconds * 1000 },
  });
  return {
    keeper,
    mount(req, res, next) {
      // cookie-parser reads what begins with "j:" as JSON, and express-session takes any cookie for a text
      if (typeof (req.cookies?.[name] ?? "") !== "string") delete req.cookies[name];
      if (req.signedCookies) delete req.signedCookies[name]; // by whichever secret: express-session would believe it
      handle(req, res, next);
    },
  };
}

/**
 * express-session leaves a Secure cookie out, silently, when it takes a request for plain http. The login would then
 * succeed, the session be lost, and the person sent to the portal for ever: better to say so. X-Forwarded-Proto counts
 * here although an app's session may not believe it; whether it did is seen afterwards, by sessionCookieIsMissing, and
 * then nobody is sent round in circles a second time.
 *
 * @throws PortalAuthError `proxy_not_trusted`; `login_over_http` where the person has come by http
 */
export function checkCookieCanBeSet(on: Request, instance: Instance): void {
  const req = holderOf(on, instance);
  if (req.session?.cookie?.secure !== true) return;
  const isBelieved = unbelieving.has(instance) ? isKnownToBeHttps(on) : isOverHttps(req);
  if (isBelieved) return;
  if (isSaidToBeHttp(req)) throw new PortalAuthError("login_over_http"); // the proxy is configured correctly
  throw new PortalAuthError("proxy_not_trusted", { detail: describeForwarding(req) });
}

/** Those in whose app a session's cookie was left out although X-Forwarded-Proto said https. */
const unbelieving = new WeakSet<Instance>();

/** Whether the browser keeps this session's cookie to itself when another site leads here (RFC 6265bis, section 5.2). */
export function isStrict(req: Request, instance: Instance): boolean {
  const sameSite = holderOf(req, instance).session?.cookie?.sameSite;
  return sameSite === true || sameSite === "strict";
}

/** Tells whether an answer that begins a session went out without its cookie: in doubt unless Express knows of https. */
export function sessionCookieIsMissing(on: Request, instance: Instance, res: Response): boolean {
  const req = holderOf(on, instance);
  if (isKnownToBeHttps(on) || req.session?.cookie?.secure !== true) return false;
  const lines = [res.getHeader("Set-Cookie") ?? []].flat();
  const isMissing = !lines.some((line) => String(line).includes(`=s%3A${encodeURIComponent(req.sessionID)}.`));
  if (isMissing) unbelieving.add(instance);
  return isMissing;
}
