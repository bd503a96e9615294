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

/**
 * The login state of one request. Each portalAuth() that the request passes creates one, after
 * express-session has loaded the session. If no user is signed in there, getView() returns undefined.
 */
export class LoginState {
  readonly storage: LoginStorage;
  readonly #holder: Request;
  /** The login state that an earlier router with the same name has created for this request. */
  readonly #previous: LoginState | undefined;
  #sessionId: string | undefined;
  #key: string | undefined;
  #login: DecodedLogin | undefined;
  #lifeMs: number | undefined;
  #isExtensionDue = false;
  #refusal: LoginRefusal | undefined;
  /** The session object that has the view. `req.session.reload()` creates another one. */
  #sessionWithView: object | undefined;
  #response: Response | undefined;
  #isWatchingResponse = false;
  /** Whether the end of the response has no effect on this login. */
  #isReleased = false;

  constructor(holder: Request, storage: LoginStorage, previous: LoginState | undefined) {
    this.#holder = holder;
    this.storage = storage;
    this.#previous = previous;
  }

  /** Returns the session of this request, if it is still the session that the login belongs to. */
  #getSession(): (Session & Partial<SessionData>) | undefined {
    const { session } = this.#holder;
    return session?.id === this.#sessionId ? session : undefined;
  }

  /**
   * Returns the login, unless the application has replaced the session or has deleted `req.session.portal`.
   */
  #getLogin(): DecodedLogin | undefined {
    const session = this.#getSession();
    if (!session) return undefined;
    const isDeleted = session === this.#sessionWithView && !Object.hasOwn(session, "portal");
    return isDeleted ? undefined : this.#login;
  }

  /** The record of the login, even if the login is not valid. */
  get record(): LoginRecord | undefined {
    return this.#getLogin()?.record;
  }

  /** The key of the record in the store, even if the record cannot be decoded. */
  get key(): string | undefined {
    return this.#key;
  }

  /** The time until the login expires if no other request comes, in milliseconds, when the login was read. */
  get lifeMs(): number | undefined {
    return this.#lifeMs;
  }

  /** Returns the login, if it is valid for this portalAuth(). Does no I/O and no cryptography. */
  getView(policy: LoginPolicy): PortalSession | undefined {
    const view = this.#getLogin()?.view;
    return view && findRefusal(view, policy) === undefined ? view : undefined;
  }

  /**
   * Returns why the login of this session is not valid. The result is undefined if it is valid, or if there
   * is no login.
   */
  getRefusal(policy: LoginPolicy): LoginRefusal | undefined {
    if (!this.#getSession()) return undefined;
    const login = this.#getLogin();
    return login ? findRefusal(login.view, policy) : this.#refusal;
  }

  /**
   * Loads the login of the session, and shows it at `req.session.portal`. In our own store the login was read
   * with the session, so there is no I/O. A promise is returned only
   * if the idle time must be extended, or if the login has ended.
   *
   * A login that is too old, or that should have ended with an earlier logout, is removed from the store, and
   * its session is emptied. When the response ends, the idle time is extended if that is due.
   */
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
    if (found.kind === "unreadable") this.#key = found.key; // a logout removes the record
    return undefined;
  }

  /** Uses a login that was read. If an extension of its idle time is due, checks the notices of logouts. */
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
    // Only one of several concurrent requests removes the login, and reports it. A login of another
    // portalAuth() is not reported, because its tokens cannot be revoked here.
    if (ended?.record && !isOfOtherPortalAuth(ended.record, this.storage.policy))
      this.storage.onFoundEnded(getRequestOfHolder(this.#holder), ended.record, reason);
  }

  #clearSession(session: Session, user: string): void {
    clearEndedSession(session, this.storage.keepSessionKeys, user);
    omitSessionCookie(this.#holder, this.#response as Response);
  }

  /**
   * Uses a login that this request has started, or has moved to a new session, as its current login.
   */
  adoptNewLogin(key: string, record: LoginRecord): void {
    this.adoptLogin(key, { record, view: new LoginView(record) }, record.idle_ms);
  }

  /**
   * Uses a login of the request's current session as its current login, and shows it at
   * `req.session.portal`. Another request of the same browser may have started the login.
   *
   * @param lifeMs the time until the login expires if no other request comes, in milliseconds
   */
  adoptLogin(key: string, login: DecodedLogin, lifeMs: number): void {
    this.#sessionId = this.#holder.sessionID;
    this.#adopt(key, login, lifeMs);
    this.#isExtensionDue = false;
    this.#isReleased = false;
    this.#watchResponse();
  }

  /** Replaces the login by a newer state of its record, also at `req.session.portal`. Writes nothing. */
  updateRecord(record: LoginRecord): void {
    if (this.#key === undefined || this.#lifeMs === undefined || !this.#getSession()) return;
    this.#adopt(this.#key, { record, view: new LoginView(record) }, this.#lifeMs);
  }

  /** Removes the login from this request, and from `req.session`. The stored record stays. */
  forget(): void {
    const session = this.#getSession();
    if (session) removeView(session);
    this.#login = undefined;
    this.#sessionWithView = undefined;
    this.release();
  }

  /**
   * Releases the stored login: it is not changed when the response ends. Otherwise it would be extended or
   * removed. This includes the logins that earlier routers with the same name have loaded.
   */
  release(): void {
    this.#isReleased = true;
    this.#previous?.release();
  }

  /**
   * Removes the login when the response ends, if the application has ended its session. It can do so by
   * destroy(), regenerate(), `unset` or `delete req.session.portal`. Otherwise extends the idle time if that
   * is due.
   */
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
