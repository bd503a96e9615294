import type { Request, Response } from "express";
import type { Session, SessionData } from "express-session";
import type { LogoutReason } from "../contract/events.js";
import { onResponseEnd } from "../util/on-response-end.js";
import { findLogin, type LoginLookup } from "./find-login.js";
import { extendIdleTime, isIdleExtensionDue } from "./idle-extension.js";
import { getUser, getUserListName } from "./login-index.js";
import {
  findLoadRefusal,
  findRefusal,
  isOfOtherPortalAuth,
  type LoginPolicy,
  type LoginRefusal,
} from "./login-policy.js";
import { type LoginRecord, LoginView, type PortalSession } from "./login-record.js";
import { readReference } from "./login-reference.js";
import type { LoginStorage } from "./login-storage.js";
import type { DecodedLogin } from "./record-codec.js";
import { getRequestOfHolder } from "./session-holder.js";
import {
  addView,
  clearEndedSession,
  omitSessionCookie,
  removePlantedView,
  removeView,
} from "./session-view.js";

type StoredLookup = Extract<LoginLookup, { kind: "stored" }>;

/** The login of one request. Made by the session middleware after the session was loaded. */
export class RequestLogin {
  readonly storage: LoginStorage;
  readonly #holder: Request;
  /** Of a router that this request has passed before. */
  readonly #previous: RequestLogin | undefined;
  #sessionId: string | undefined;
  #key: string | undefined;
  #login: DecodedLogin | undefined;
  #lifeMs: number | undefined;
  #isExtensionDue = false;
  #refusal: LoginRefusal | undefined;
  /** The session object that has the view. `req.session.reload()` makes another one. */
  #sessionWithView: object | undefined;
  #response: Response | undefined;
  #isWatchingResponse = false;
  /** The end of the response means nothing for this login. */
  #isReleased = false;

  constructor(holder: Request, storage: LoginStorage, previous: RequestLogin | undefined) {
    this.#holder = holder;
    this.storage = storage;
    this.#previous = previous;
  }

  /** The session of this request, if it is still the one that the login belongs to. */
  #getSession(): (Session & Partial<SessionData>) | undefined {
    const { session } = this.#holder;
    return session?.id === this.#sessionId ? session : undefined;
  }

  /** The login, unless the application has replaced the session or has deleted `req.session.portal`. */
  #getLogin(): DecodedLogin | undefined {
    const session = this.#getSession();
    if (!session) return undefined;
    const isDeleted = session === this.#sessionWithView && !Object.hasOwn(session, "portal");
    return isDeleted ? undefined : this.#login;
  }

  /** The stored login, whether or not it counts. */
  get record(): LoginRecord | undefined {
    return this.#getLogin()?.record;
  }

  /** The key of the record, also of one that cannot be decoded. */
  get key(): string | undefined {
    return this.#key;
  }

  /** How long the login lives without another request, in milliseconds, as it was read. */
  get lifeMs(): number | undefined {
    return this.#lifeMs;
  }

  /** The login, if it counts for this portalAuth(). No I/O, no crypto. */
  getView(policy: LoginPolicy): PortalSession | undefined {
    const view = this.#getLogin()?.view;
    return view && findRefusal(view, policy) === undefined ? view : undefined;
  }

  /** Why the login of this session does not count; undefined if it counts, or without a login. */
  getRefusal(policy: LoginPolicy): LoginRefusal | undefined {
    if (!this.#getSession()) return undefined;
    const login = this.#getLogin();
    return login ? findRefusal(login.view, policy) : this.#refusal;
  }

  /** Loads the login of the session. Does no I/O if a store of ours has read both. */
  load(res: Response): Promise<void> | undefined {
    const { session } = this.#holder;
    this.#response = res;
    if (!session) return undefined;
    this.#sessionId = session.id;
    removePlantedView(session);
    const found = findLogin(this.storage, session);
    return found instanceof Promise
      ? found.then((read) => this.#applyLookup(session, read))
      : this.#applyLookup(session, found);
  }

  #applyLookup(session: Session, found: LoginLookup | undefined): Promise<void> | undefined {
    if (!found || found.kind === "stored") return found && this.#applyStored(found);
    if (found.kind === "ended") this.#clearSession(session, found.user);
    else this.#refusal = found.kind;
    if (found.kind === "unreadable") this.#key = found.key; // a logout ends it
    return undefined;
  }

  /** Takes over a login that was read. If its idle end is due, checks the notices of logouts. */
  #applyStored({ key, login, lifeMs }: StoredLookup): Promise<void> | undefined {
    this.#refusal = findLoadRefusal(login, this.#sessionId, this.storage.policy);
    if (this.#refusal === "not_ours") return undefined;
    if (this.#refusal === "too_old") return this.#endLogin(key, login.record, "too_old");
    this.#adopt(key, login, lifeMs);
    this.#watchResponse();
    this.#isExtensionDue = isIdleExtensionDue(
      login.record,
      lifeMs,
      this.storage.lifetime.getLifeMs(this.#holder.session),
    );
    return this.#isExtensionDue ? this.#checkNotices(key, login.record) : undefined;
  }

  #adopt(key: string, login: DecodedLogin, lifeMs: number): void {
    this.#key = key;
    this.#login = login;
    this.#lifeMs = lifeMs;
    const { session } = this.#holder;
    if (!session || findRefusal(login.view, this.storage.policy) !== undefined) return;
    addView(session, login.view);
    this.#sessionWithView = session;
  }

  async #checkNotices(key: string, record: LoginRecord): Promise<void> {
    const logout = await this.storage.logins.findMissedLogout(record);
    if (logout) await this.#endLogin(key, record, logout.reason);
  }

  async #endLogin(key: string, record: LoginRecord, reason: LogoutReason | "too_old"): Promise<void> {
    const ended = await this.storage.logins.remove(key);
    this.forget();
    const { session } = this.#holder;
    if (session) this.#clearSession(session, getUserListName(getUser(record)));
    // Of several requests at the same time one removes the login. Another portalAuth() could not revoke its tokens.
    if (ended?.record && !isOfOtherPortalAuth(ended.record, this.storage.policy))
      this.storage.onFoundEnded(getRequestOfHolder(this.#holder), ended.record, reason);
  }

  #clearSession(session: Session, user: string): void {
    clearEndedSession(session, this.storage.keepSessionKeys, user);
    omitSessionCookie(this.#holder, this.#response as Response);
  }

  /** Takes over a login that this request has begun. */
  adoptNewLogin(key: string, record: LoginRecord): void {
    this.adoptLogin(key, { record, view: new LoginView(record) }, record.idle_ms);
  }

  /** Takes over a login that another request of the same browser has begun. */
  adoptLogin(key: string, login: DecodedLogin, lifeMs: number): void {
    this.#sessionId = this.#holder.sessionID;
    this.#adopt(key, login, lifeMs);
    this.#isExtensionDue = false;
    this.#isReleased = false;
    this.#watchResponse();
  }

  /** Shows the rest of this request the login as it is stored now. */
  updateRecord(record: LoginRecord): void {
    if (this.#key === undefined || this.#lifeMs === undefined || !this.#getSession()) return;
    this.#adopt(this.#key, { record, view: new LoginView(record) }, this.#lifeMs);
  }

  /** From now on this request has no login. */
  forget(): void {
    const session = this.#getSession();
    if (session) removeView(session);
    this.#login = undefined;
    this.#sessionWithView = undefined;
    this.release();
  }

  /** Lets the response end without any effect on the login, whichever router has loaded it. */
  release(): void {
    this.#isReleased = true;
    this.#previous?.release();
  }

  /** An application can end its session: destroy(), regenerate(), `unset`, delete. That ends the login. */
  #watchResponse(): void {
    if (this.#isWatchingResponse) return;
    this.#isWatchingResponse = true;
    onResponseEnd(this.#response as Response, () => {
      if (this.#isReleased || this.#key === undefined) return;
      this.#handleResponseEnd(this.#key)?.catch(this.storage.warn);
    });
  }

  #handleResponseEnd(key: string): Promise<unknown> | undefined {
    if (!this.#isLoginStillInSession()) return this.storage.logins.remove(key);
    const record = this.#login?.record;
    if (!record || !this.#isExtensionDue) return undefined;
    return extendIdleTime(this.storage, key, record, this.storage.lifetime.getLifeMs(this.#holder.session));
  }

  #isLoginStillInSession(): boolean {
    const session = this.#getSession();
    const login = this.#getLogin();
    if (!session || !login) return false;
    return this.storage.isOurStore || readReference(session)?.id === login.record.login_id;
  }
}
