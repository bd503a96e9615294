import type { Request, Response } from "express";
import type { Session, SessionData } from "express-session";
import type { LogoutReason } from "../contract/events.js";
import { whenEnded } from "../util/response-end.js";
import { findLogin, type SessionLogin } from "./find-login.js";
import { requestOf } from "./holder.js";
import { isIdleEndDue, moveIdleEnd } from "./idle-end.js";
import type { LoginPlace } from "./login-place.js";
import { type LoginRecord, LoginView, type PortalSession } from "./login-record.js";
import { readReference } from "./login-reference.js";
import type { DecodedLogin } from "./record-codec.js";
import { isForeign, type Refusal, type SessionRules, whyNot, whyNotLoaded } from "./session-rules.js";
import { clearEndedSession, hideView, omitCookie, removePlantedView, showView } from "./session-view.js";
import { userList, userOf } from "./user-logins.js";

type StoredLogin = Extract<SessionLogin, { kind: "stored" }>;

/** The login of one request. Made by the session middleware after the session was loaded. */
export class RequestLogin {
  readonly place: LoginPlace;
  readonly #holder: Request;
  /** Of a router that this request has passed before. */
  readonly #earlier: RequestLogin | undefined;
  #sessionId: string | undefined;
  #key: string | undefined;
  #login: DecodedLogin | undefined;
  #lifeMs: number | undefined;
  #isIdleEndDue = false;
  #refusal: Refusal | undefined;
  /** The session object that has the view. `req.session.reload()` makes another one. */
  #shownIn: object | undefined;
  #response: Response | undefined;
  #isEndWatched = false;
  /** The end of the response means nothing for this login. */
  #isReleased = false;

  constructor(holder: Request, place: LoginPlace, earlier: RequestLogin | undefined) {
    this.#holder = holder;
    this.place = place;
    this.#earlier = earlier;
  }

  /** The session of this request, if it is still the one that the login belongs to. */
  #session(): (Session & Partial<SessionData>) | undefined {
    const { session } = this.#holder;
    return session?.id === this.#sessionId ? session : undefined;
  }

  /** The login, unless the application has replaced the session or has deleted `req.session.portal`. */
  #current(): DecodedLogin | undefined {
    const session = this.#session();
    if (!session) return undefined;
    const isDeleted = session === this.#shownIn && !Object.hasOwn(session, "portal");
    return isDeleted ? undefined : this.#login;
  }

  /** The stored login, whether or not it counts. */
  get record(): LoginRecord | undefined {
    return this.#current()?.record;
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
  read(rules: SessionRules): PortalSession | undefined {
    const view = this.#current()?.view;
    return view && whyNot(view, rules) === undefined ? view : undefined;
  }

  /** Why the login of this session does not count; undefined if it counts, or without a login. */
  refusal(rules: SessionRules): Refusal | undefined {
    if (!this.#session()) return undefined;
    const login = this.#current();
    return login ? whyNot(login.view, rules) : this.#refusal;
  }

  /** Loads the login of the session. Does no I/O if a store of ours has read both. */
  load(res: Response): Promise<void> | undefined {
    const { session } = this.#holder;
    this.#response = res;
    if (!session) return undefined;
    this.#sessionId = session.id;
    removePlantedView(session);
    const found = findLogin(this.place, session);
    return found instanceof Promise
      ? found.then((read) => this.#use(session, read))
      : this.#use(session, found);
  }

  #use(session: Session, found: SessionLogin | undefined): Promise<void> | undefined {
    if (!found || found.kind === "stored") return found && this.#useStored(found);
    if (found.kind === "ended") this.#clear(session, found.user);
    else this.#refusal = found.kind;
    if (found.kind === "unreadable") this.#key = found.key; // a logout ends it
    return undefined;
  }

  /** Takes over a login that was read. If its idle end is due, checks the notices of logouts. */
  #useStored({ key, login, lifeMs }: StoredLogin): Promise<void> | undefined {
    this.#refusal = whyNotLoaded(login, this.#sessionId, this.place.rules);
    if (this.#refusal === "not_ours") return undefined;
    if (this.#refusal === "too_old") return this.#end(key, login.record, "too_old");
    this.#adopt(key, login, lifeMs);
    this.#watchEnd();
    this.#isIdleEndDue = isIdleEndDue(login.record, lifeMs, this.place.lives.lifeMs(this.#holder.session));
    return this.#isIdleEndDue ? this.#checkNotices(key, login.record) : undefined;
  }

  #adopt(key: string, login: DecodedLogin, lifeMs: number): void {
    this.#key = key;
    this.#login = login;
    this.#lifeMs = lifeMs;
    const { session } = this.#holder;
    if (!session || whyNot(login.view, this.place.rules) !== undefined) return;
    showView(session, login.view);
    this.#shownIn = session;
  }

  async #checkNotices(key: string, record: LoginRecord): Promise<void> {
    const logout = await this.place.logins.findMissedLogout(record);
    if (logout) await this.#end(key, record, logout.reason);
  }

  async #end(key: string, record: LoginRecord, reason: LogoutReason | "too_old"): Promise<void> {
    const ended = await this.place.logins.end(key);
    this.forget();
    const { session } = this.#holder;
    if (session) this.#clear(session, userList(userOf(record)));
    // Of several requests at the same time one removes the login. Another portalAuth() could not revoke its tokens.
    if (ended?.record && !isForeign(ended.record, this.place.rules))
      this.place.onFoundEnded(requestOf(this.#holder), ended.record, reason);
  }

  #clear(session: Session, user: string): void {
    clearEndedSession(session, this.place.keepSessionKeys, user);
    omitCookie(this.#holder, this.#response as Response);
  }

  /** Takes over a login that this request has begun. */
  begin(key: string, record: LoginRecord): void {
    this.join(key, { record, view: new LoginView(record) }, record.idle_ms);
  }

  /** Takes over a login that another request of the same browser has begun. */
  join(key: string, login: DecodedLogin, lifeMs: number): void {
    this.#sessionId = this.#holder.sessionID;
    this.#adopt(key, login, lifeMs);
    this.#isIdleEndDue = false;
    this.#isReleased = false;
    this.#watchEnd();
  }

  /** Shows the rest of this request the login as it is stored now. */
  renew(record: LoginRecord): void {
    if (this.#key === undefined || this.#lifeMs === undefined || !this.#session()) return;
    this.#adopt(this.#key, { record, view: new LoginView(record) }, this.#lifeMs);
  }

  /** From now on this request has no login. */
  forget(): void {
    const session = this.#session();
    if (session) hideView(session);
    this.#login = undefined;
    this.#shownIn = undefined;
    this.release();
  }

  /** Lets the response end without any effect on the login, whichever router has loaded it. */
  release(): void {
    this.#isReleased = true;
    this.#earlier?.release();
  }

  /** An application can end its session: destroy(), regenerate(), `unset`, delete. That ends the login. */
  #watchEnd(): void {
    if (this.#isEndWatched) return;
    this.#isEndWatched = true;
    whenEnded(this.#response as Response, () => {
      if (this.#isReleased || this.#key === undefined) return;
      this.#endRequest(this.#key)?.catch(this.place.warn);
    });
  }

  #endRequest(key: string): Promise<unknown> | undefined {
    if (!this.#isStillThere()) return this.place.logins.end(key);
    const record = this.#login?.record;
    if (!record || !this.#isIdleEndDue) return undefined;
    return moveIdleEnd(this.place, key, record, this.place.lives.lifeMs(this.#holder.session));
  }

  #isStillThere(): boolean {
    const session = this.#session();
    const login = this.#current();
    if (!session || !login) return false;
    return this.place.isOurStore || readReference(session)?.id === login.record.login_id;
  }
}
