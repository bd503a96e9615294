import type { Request, Response } from "express";
import type { Session, Store } from "express-session";
import { guardRecords } from "../store/guarded-store.js";
import { livesByCookie } from "../store/lives.js";
import { createRecordsIn } from "../store/over-session-store.js";
import type { RecordStore } from "../store/records.js";
import { PortalSessionStore } from "../store/session-store.js";
import { type StoreConnection, watchConnection } from "../store/store-connection.js";
import { onceAMinute } from "../util/once-a-minute.js";
import { loginOf } from "./attached-login.js";
import { chosenRequests } from "./chosen-requests.js";
import { holderBeside, holderOf } from "./holder.js";
import type { LoginPlace, OnFoundEnded } from "./login-place.js";
import { tenantName } from "./login-reference.js";
import { Logins } from "./logins.js";
import { isExpressSession, restoreAtEnd, sessionsBehind, showSession } from "./other-sessions.js";
import { createOwnSession, type OwnSession, type OwnSessionOptions } from "./own-session.js";
import type { RecordCodec } from "./record-codec.js";
import { RequestLogin } from "./request-login.js";

export interface SessionMountOptions extends OwnSessionOptions {
  readonly codec: RecordCodec;
  /** Whether logouts can name a session at the provider. */
  readonly findsBySid: boolean;
  readonly keepSessionKeys: readonly string[];
  readonly warnOfFailure: (error: unknown) => void;
  readonly onFoundEnded: OnFoundEnded;
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
  return options.rules.name === undefined
    ? (req, res, done) => mount.mount(req, res, done)
    : (req, res, done) => mount.mountNamed(req, res, done);
}

class SessionMount {
  readonly #options: SessionMountOptions;
  readonly #places = new WeakMap<Store, LoginPlace>();
  #ours: OwnSession | undefined;
  #hasLooked = false;
  #hasAppsSession = false;
  #hasToldOfBoth = false;
  /** Whether the application uses another session package, so that ours must not depend on `req.session`. */
  #isBeside = false;
  #appsConnection: StoreConnection | undefined;

  constructor(options: SessionMountOptions) {
    this.#options = options;
  }

  /** A portalAuth() with a name has a cookie and a place of its own, whatever session the application has. */
  mountNamed(req: Request, res: Response, done: OnLoaded): void {
    this.#mountOurs(holderOf(req, this.#options.rules), res, done);
  }

  mount(req: Request, res: Response, done: OnLoaded): void {
    if (!this.#hasLooked) this.#lookBehind(req);
    const loaded = req.session as Session | undefined;
    if (loaded && !isExpressSession(loaded)) this.#keepBeside();
    if (this.#isBeside && !isExpressSession(loaded)) {
      this.#mountBesideAnother(req, res, done);
      return;
    }
    if (loaded) {
      if (!ownStores.has(req.sessionStore as Store)) this.#hasAppsSession = true;
      this.#loadLogin(req, res, done);
      return;
    }
    if (this.#appsConnection?.isAway) {
      done(new Error("the session store says that it is disconnected"));
      return;
    }
    this.#tellOfMissingSession();
    this.#mountOurs(req, res, (error, login) => {
      if (!error) restoreAtEnd(req, res, () => this.#keepBeside());
      done(error, login);
    });
  }

  #tellOfMissingSession(): void {
    if (!this.#hasAppsSession || this.#hasToldOfBoth) return;
    this.#hasToldOfBoth = true;
    this.#options.warn(SESSION_ON_SOME);
  }

  /** Keeps a session of ours beside the session of another package, which stays at `req.session`. */
  #mountBesideAnother(req: Request, res: Response, done: OnLoaded): void {
    const isFree = !req.session;
    const holder = holderBeside(req);
    if (isFree) showSession(req, holder);
    this.#mountOurs(holder, res, done);
  }

  #keepBeside(): void {
    if (!this.#isBeside) this.#options.warn(BESIDE_ANOTHER);
    this.#isBeside = true;
  }

  /** Session middleware that is mounted behind us can be seen at the first request. */
  #lookBehind(req: Request): void {
    this.#hasLooked = true;
    if (req.session) return;
    const behind = sessionsBehind(req);
    if (behind.includes("cookie-session")) this.#keepBeside();
    if (behind.includes("express-session")) this.#options.warn(SESSION_BEHIND);
  }

  #mountOurs(req: Request, res: Response, done: OnLoaded): void {
    this.#ours ??= this.#createOurs(req);
    const { mount } = this.#ours;
    mount(req, res, (error?: unknown) => (error ? done(error) : this.#loadLogin(req, res, done)));
  }

  #createOurs(req: Request): OwnSession {
    const ours = createOwnSession(this.#options, chosenRequests.has(req));
    ownStores.add(ours.store);
    return ours;
  }

  /** Calls done() in the same turn, unless the login must be read by itself. */
  #loadLogin(req: Request, res: Response, done: OnLoaded): void {
    const store = req.sessionStore as Store | undefined;
    if (typeof store?.createSession !== "function") {
      done(); // no session of express-session, which is reported when one is needed
      return;
    }
    const place = this.#placeOf(store);
    const login = new RequestLogin(req, place, loginOf(req, place.rules));
    const loading = login.load(res);
    if (loading)
      loading.then(
        () => done(undefined, login),
        (error) => done(error, login),
      );
    else done(undefined, login);
  }

  #placeOf(store: Store): LoginPlace {
    let place = this.#places.get(store);
    if (!place) {
      place = this.#createPlace(store);
      this.#places.set(store, place);
    }
    return place;
  }

  #createPlace(store: Store): LoginPlace {
    const { rules, belongsTo, codec, findsBySid, keepSessionKeys, warn, warnOfFailure, onFoundEnded } =
      this.#options;
    const isOurStore = PortalSessionStore.isOurs(store);
    const records = isOurStore ? store.entries : this.#recordsBeside(store);
    if (!isOurStore) this.#appsConnection = watchConnection(store);
    return {
      logins: new Logins({
        records,
        codec,
        absoluteSeconds: rules.sessionAbsolute,
        findsBySid,
        warn,
      }),
      isOurStore,
      rules,
      tenant: tenantName(belongsTo),
      lives: isOurStore ? store.lives : livesByCookie,
      keepSessionKeys,
      onFoundEnded,
      warn: onceAMinute(warnOfFailure),
    };
  }

  /** Where the logins of sessions are kept that lie in a store of the application's. */
  #recordsBeside(store: Store): RecordStore {
    const { entries, opened, rules, warn } = this.#options;
    return guardRecords(entries ?? createRecordsIn(store, warn, rules.clock), opened);
  }
}

const BESIDE_ANOTHER =
  "The app mounts a session middleware that is not express-session (such as cookie-session). It keeps req.session, and portalAuth() keeps its logins in a session of its own beside it, at req.portal.session.";

const SESSION_BEHIND =
  "The app mounts express-session after portalAuth(), where it is not used: req.session is portalAuth()'s own. Mount express-session before portalAuth(), or remove it.";

const SESSION_ON_SOME =
  "Some requests come with the app's express-session and some without: mount it before portalAuth(), for the same paths. Those without got a session of portalAuth's own.";
