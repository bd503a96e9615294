import type { Request, Response } from "express";
import type { Session, Store } from "express-session";
import { type AppStoreConnection, watchAppStore } from "../store/app-store-connection.js";
import { PortalSessionStore } from "../store/portal-session-store.js";
import type { RecordStore } from "../store/record-store.js";
import { createRecordsInSessionStore } from "../store/records-in-session-store.js";
import { lifetimeByCookie } from "../store/session-lifetime.js";
import { limitRecordStore } from "../store/time-limited-store.js";
import { onceAMinute } from "../util/once-a-minute.js";
import { getRequestLogin } from "./attached-login.js";
import { createTenantId } from "./login-reference.js";
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
import { RequestLogin } from "./request-login.js";
import { addUnnamedHolder, getSessionHolder } from "./session-holder.js";

export interface SessionMountOptions extends OwnSessionOptions {
  readonly codec: RecordCodec;
  /** Whether logouts can name a session at the provider. */
  readonly hasProviderSessionLists: boolean;
  readonly keepSessionKeys: readonly string[];
  readonly warnAboutFailure: (error: unknown) => void;
  readonly onFoundEnded: OnLoginFoundEnded;
}

/**
 * The stores of our own sessions, of whichever router: such a session must not be taken for the
 * application's.
 */
const ownStores = new WeakSet<Store>();

/** Called with the login of a request. It is undefined if the request has no session of express-session. */
export type OnLoaded = (error?: unknown, login?: RequestLogin) => void;

/** Loads the session of a request and its login. `done` is called again if the session cannot be saved. */
export type MountSession = (req: Request, res: Response, done: OnLoaded) => void;

/**
 * Creates the function that loads the session and its login. The session is the application's own if it has
 * mounted one, otherwise one of ours. This is decided for each request.
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
  #hasWarnedAboutBoth = false;
  /** Whether the application uses another session package, so that ours must not depend on `req.session`. */
  #isSeparate = false;
  #appConnection: AppStoreConnection | undefined;

  constructor(options: SessionMountOptions) {
    this.#options = options;
  }

  /** A portalAuth() with a name has a cookie and a place of its own, whatever session the application has. */
  mountNamed(req: Request, res: Response, done: OnLoaded): void {
    this.#mountOwnSession(getSessionHolder(req, this.#options.policy), res, done);
  }

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
    this.#warnAboutMissingSession();
    this.#mountOwnSession(req, res, (error, login) => {
      if (!error) restoreSessionAtEnd(req, res, () => this.#useSeparateSession());
      done(error, login);
    });
  }

  #warnAboutMissingSession(): void {
    if (!this.#hasSeenAppSession || this.#hasWarnedAboutBoth) return;
    this.#hasWarnedAboutBoth = true;
    this.#options.warn(MIXED_SESSIONS_WARNING);
  }

  /** Keeps a session of ours beside the session of another package, which stays at `req.session`. */
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

  /** Session middleware that is mounted behind us can be seen at the first request. */
  #checkMiddleware(req: Request): void {
    this.#hasCheckedMiddleware = true;
    if (req.session) return;
    const later = findSessionMiddlewareAfterOurs(req);
    if (later.includes("cookie-session")) this.#useSeparateSession();
    if (later.includes("express-session")) this.#options.warn(LATER_SESSION_WARNING);
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

  /** Calls done() in the same turn, unless the login must be read by itself. */
  #loadLogin(req: Request, res: Response, done: OnLoaded): void {
    const store = req.sessionStore as Store | undefined;
    if (typeof store?.createSession !== "function") {
      done(); // no session of express-session, which is reported when one is needed
      return;
    }
    const storage = this.#getStorage(store);
    const login = new RequestLogin(req, storage, getRequestLogin(req, storage.policy));
    const loading = login.load(res);
    if (loading)
      loading.then(
        () => done(undefined, login),
        (error) => done(error, login),
      );
    else done(undefined, login);
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
    const {
      policy,
      tenant: belongsTo,
      codec,
      hasProviderSessionLists: findsBySid,
      keepSessionKeys,
      warn,
      warnAboutFailure: warnOfFailure,
      onFoundEnded,
    } = this.#options;
    const isOurStore = PortalSessionStore.isOurs(store);
    const records = isOurStore ? store.entries : this.#createRecords(store);
    if (!isOurStore) this.#appConnection = watchAppStore(store);
    return {
      logins: new Logins({
        records,
        codec,
        absoluteSeconds: policy.sessionAbsolute,
        hasProviderSessionLists: findsBySid,
        warn,
      }),
      isOurStore,
      policy,
      tenant: createTenantId(belongsTo),
      lifetime: isOurStore ? store.lifetime : lifetimeByCookie,
      keepSessionKeys,
      onFoundEnded,
      warn: onceAMinute(warnOfFailure),
    };
  }

  /** Where the logins of sessions are kept that lie in a store of the application's. */
  #createRecords(store: Store): RecordStore {
    const { entries, opened, policy, warn } = this.#options;
    return limitRecordStore(entries ?? createRecordsInSessionStore(store, warn, policy.clock), opened);
  }
}

const SEPARATE_SESSION_WARNING =
  "The app mounts a session middleware that is not express-session (such as cookie-session). It keeps req.session, and portalAuth() keeps its logins in a session of its own beside it, at req.portal.session.";

const LATER_SESSION_WARNING =
  "The app mounts express-session after portalAuth(), where it is not used: req.session is portalAuth()'s own. Mount express-session before portalAuth(), or remove it.";

const MIXED_SESSIONS_WARNING =
  "Some requests come with the app's express-session and some without: mount it before portalAuth(), for the same paths. Those without got a session of portalAuth's own.";
