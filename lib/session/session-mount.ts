import type { Request, Response } from "express";
import type { Session, Store } from "express-session";
import { type AppStoreConnection, watchAppStore } from "../store/app-store-connection.js";
import { PortalSessionStore } from "../store/portal-session-store.js";
import type { RecordStore } from "../store/record-store.js";
import { createRecordsInSessionStore } from "../store/records-in-session-store.js";
import { lifetimeByCookie } from "../store/session-lifetime.js";
import { limitRecordStore } from "../store/time-limited-store.js";
import { onceAMinute } from "../util/once-a-minute.js";
import { getLoginState } from "./attached-login.js";
import { createPortalAuthId } from "./login-reference.js";
import { LoginState } from "./login-state.js";
import type { LoginStorage, OnLoginFoundEnded } from "./login-storage.js";
import { Logins } from "./logins.js";
import { multiTenantRequests } from "./multi-tenant-requests.js";
import {
  exposeSession,
  findSessionMiddlewareAfterOurs,
  isExpressSession,
  restoreSessionAtEnd,
} from "./other-session-middleware.js";
import { createOwnSession, type OwnSession, type OwnSessionOptions } from "./own-session.js";
import type { RecordCodec } from "./record-codec.js";
import { addUnnamedHolder, getSessionHolder } from "./session-holder.js";

const SEPARATE_SESSION_WARNING =
  "The app mounts a session middleware that is not express-session (such as cookie-session). It keeps " +
  "req.session, and portalAuth() keeps its logins in a session of its own beside it, at req.portal.session.";

const LATER_SESSION_WARNING =
  "The app mounts express-session after portalAuth(), where it is not used: req.session is portalAuth()'s " +
  "own. Mount express-session before portalAuth(), or remove it.";

const MIXED_SESSIONS_WARNING =
  "Some requests come with the app's express-session and some without: mount it before portalAuth(), for " +
  "the same paths. Those without got a session of portalAuth's own.";

export interface SessionMountOptions extends OwnSessionOptions {
  readonly codec: RecordCodec;
  /** Whether logouts can name a session at the provider. */
  readonly hasProviderSessionLists: boolean;
  readonly keepSessionKeys: readonly string[];
  readonly warnAboutFailure: (error: unknown) => void;
  readonly onFoundEnded: OnLoginFoundEnded;
}

/** The stores of our own sessions, of all routers. A session in one of them is not an application's. */
const ownStores = new WeakSet<Store>();

/**
 * Called with the login state of a request. It is undefined if the request has no session of express-session,
 * or if the session could not be loaded.
 */
export type OnLoaded = (error?: unknown, state?: LoginState) => void;

/**
 * Loads the session and the login of a request, and then calls `done`. If a store fails, `done` gets the
 * error. Our own session calls `done` again with an error if it cannot be saved when the response ends.
 */
export type MountSession = (req: Request, res: Response, done: OnLoaded) => void;

/**
 * Creates the function that loads the session and the login of each request. For each request it decides
 * which session is used:
 *
 * - with the option `name`: our own, with its own cookie and holder
 * - if express-session has set `req.session` before: the application's
 * - if another session package has set `req.session`: our own, beside it, at `req.portal.session`
 * - otherwise: our own, at `req.session`
 */
export function createSessionMount(options: SessionMountOptions): MountSession {
  const mount = new SessionMount(options);
  return options.policy.name === undefined
    ? (req, res, done) => mount.mount(req, res, done)
    : (req, res, done) => mount.mountNamed(req, res, done);
}

class SessionMount {
  readonly #options: SessionMountOptions;
  readonly #storages = new WeakMap<Store, LoginStorage>();
  #ownSession: OwnSession | undefined;
  #hasCheckedMiddleware = false;
  #hasSeenAppSession = false;
  #hasWarnedAboutMixedSessions = false;
  /** Whether the application uses another session package. Our session then must not be at `req.session`. */
  #isSeparate = false;
  #appConnection: AppStoreConnection | undefined;

  constructor(options: SessionMountOptions) {
    this.#options = options;
  }

  /**
   * Loads the session of a portalAuth() with a name: always our own session, with its own cookie and holder.
   */
  mountNamed(req: Request, res: Response, done: OnLoaded): void {
    this.#mountOwnSession(getSessionHolder(req, this.#options.policy), res, done);
  }

  /** Loads the session of a portalAuth() without a name: the application's session, or our own. */
  mount(req: Request, res: Response, done: OnLoaded): void {
    if (!this.#hasCheckedMiddleware) this.#checkMiddleware(req);
    const loaded = req.session as Session | undefined;
    if (loaded && !isExpressSession(loaded)) this.#useSeparateSession();
    if (this.#isSeparate && !isExpressSession(loaded)) {
      this.#mountSeparately(req, res, done);
      return;
    }
    if (loaded) {
      if (!ownStores.has(req.sessionStore as Store)) this.#hasSeenAppSession = true;
      this.#loadLogin(req, res, done);
      return;
    }
    if (this.#appConnection?.isDisconnected) {
      done(new Error("the session store says that it is disconnected"));
      return;
    }
    this.#warnAboutMixedSessions();
    this.#mountOwnSession(req, res, (error, state) => {
      if (!error) restoreSessionAtEnd(req, res, () => this.#useSeparateSession());
      done(error, state);
    });
  }

  #warnAboutMixedSessions(): void {
    if (!this.#hasSeenAppSession || this.#hasWarnedAboutMixedSessions) return;
    this.#hasWarnedAboutMixedSessions = true;
    this.#options.warn(MIXED_SESSIONS_WARNING);
  }

  /** Loads our own session beside the session of another package, which stays at `req.session`. */
  #mountSeparately(req: Request, res: Response, done: OnLoaded): void {
    const isFree = !req.session;
    const holder = addUnnamedHolder(req);
    if (isFree) exposeSession(req, holder);
    this.#mountOwnSession(holder, res, done);
  }

  #useSeparateSession(): void {
    if (!this.#isSeparate) this.#options.warn(SEPARATE_SESSION_WARNING);
    this.#isSeparate = true;
  }

  /** Looks for session middleware that is mounted after portalAuth(). The first request shows it. */
  #checkMiddleware(req: Request): void {
    this.#hasCheckedMiddleware = true;
    if (req.session) return;
    const laterMiddleware = findSessionMiddlewareAfterOurs(req);
    if (laterMiddleware.includes("cookie-session")) this.#useSeparateSession();
    if (laterMiddleware.includes("express-session")) this.#options.warn(LATER_SESSION_WARNING);
  }

  #mountOwnSession(req: Request, res: Response, done: OnLoaded): void {
    this.#ownSession ??= this.#createOwnSession(req);
    const { mount } = this.#ownSession;
    mount(req, res, (error?: unknown) => (error ? done(error) : this.#loadLogin(req, res, done)));
  }

  #createOwnSession(req: Request): OwnSession {
    const ownSession = createOwnSession(this.#options, multiTenantRequests.has(req));
    ownStores.add(ownSession.store);
    return ownSession;
  }

  /** Loads the login of a session. Calls done() synchronously, unless the login needs a read of its own. */
  #loadLogin(req: Request, res: Response, done: OnLoaded): void {
    const store = req.sessionStore as Store | undefined;
    if (typeof store?.createSession !== "function") {
      // There is no session of express-session. This is reported when a session is needed.
      done();
      return;
    }
    const storage = this.#getStorage(store);
    const state = new LoginState(req, storage, getLoginState(req, storage.policy));
    const loading = state.load(res);
    if (loading)
      loading.then(
        () => done(undefined, state),
        (error) => done(error, state),
      );
    else done(undefined, state);
  }

  #getStorage(store: Store): LoginStorage {
    let storage = this.#storages.get(store);
    if (!storage) {
      storage = this.#createStorage(store);
      this.#storages.set(store, storage);
    }
    return storage;
  }

  #createStorage(store: Store): LoginStorage {
    const { policy, portalAuthIdentity, codec, hasProviderSessionLists, keepSessionKeys } = this.#options;
    const { warn, warnAboutFailure, onFoundEnded } = this.#options;
    const isOurStore = PortalSessionStore.isOurs(store);
    const records = isOurStore ? store.entries : this.#createRecords(store);
    if (!isOurStore) this.#appConnection = watchAppStore(store);
    return {
      logins: new Logins({
        records,
        codec,
        absoluteSeconds: policy.sessionAbsolute,
        hasProviderSessionLists,
        warn,
      }),
      isOurStore,
      policy,
      portalAuthId: createPortalAuthId(portalAuthIdentity),
      lifetime: isOurStore ? store.lifetime : lifetimeByCookie,
      keepSessionKeys,
      onFoundEnded,
      warn: onceAMinute(warnAboutFailure),
    };
  }

  /** Creates the store of the login records, for sessions that are in the application's store. */
  #createRecords(store: Store): RecordStore {
    const { entries, opened, policy, warn } = this.#options;
    return limitRecordStore(entries ?? createRecordsInSessionStore(store, warn, policy.clock), opened);
  }
}
