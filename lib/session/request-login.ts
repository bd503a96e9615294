import type { Request, Response } from "express";
import type { Session, SessionData } from "express-session";
import { entryOf } from "../store/loaded-entry.js";
import { isIdleEndDue, moveIdleEnd } from "./idle-end.js";
import { type LoginPlace, recordKey } from "./login-place.js";
import { type LoginRecord, LoginView, type PortalSession } from "./login-record.js";
import { isReferenceOf, readReference } from "./login-reference.js";
import type { FoundLogin } from "./logins.js";
import type { DecodedLogin } from "./record-codec.js";
import { whenEnded } from "./response-end.js";
import { type Refusal, type SessionRules, whyNot, whyNotLoaded } from "./session-rules.js";
import { clearEndedSession, hideView, omitCookie, removePlantedView, showView } from "./session-view.js";
import { userList, userOf } from "./user-logins.js";

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
  /** The end of the response means nothing for this login. */
  #isReleased = false;

  constructor(holder: Request, place: LoginPlace, earlier: RequestLogin | undefined) {
    this.#holder = holder;
    this.place = place;
    this.#earlier = earlier;
  }

  /** The session of this request, if it is still the one that the login belongs to. */
  #session(): (Session & Partial<SessionData>) | undefined {
    const { session, sessionID } = this.#holder;
    return session && sessionID === this.#sessionId ? session : undefined;
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

  /** Why the login of this session does not count; undefined if there is none, or if it counts. */
  refusal(rules: SessionRules): Refusal | undefined {
    if (!this.#session()) return undefined;
    const login = this.#current();
    return login ? whyNot(login.view, rules) : this.#refusal;
  }

  /** Loads the login of the session. Does no I/O if a store of ours has read both. */
  load(res: Response): Promise<void> | undefined {
    const { session, sessionID } = this.#holder;
    if (!session) return undefined;
    this.#sessionId = sessionID;
    removePlantedView(session);
    return this.place.isOurStore ? this.#loadFromEntry(session, res) : this.#loadByReference(session, res);
  }

  #loadFromEntry(session: Session, res: Response): Promise<void> | undefined {
    const entry = entryOf(session);
    if (!entry?.record) return undefined;
    const key = recordKey(this.place, session.id, "");
    return this.#use(key, this.place.logins.decode(key, entry.record.text), entry.lifeMs, res);
  }

  async #loadByReference(session: Session & Partial<SessionData>, res: Response): Promise<void> {
    const reference = readReference(session);
    if (!reference) return;
    if (reference.of !== this.place.tenant) {
      this.#refusal = "of_another_portal_auth";
      return;
    }
    const key = recordKey(this.place, session.id, reference.id);
    const found = await this.place.logins.read(key);
    if (found) await this.#use(key, found.login, found.stored.lifeMs, res);
    else if (isReferenceOf(session.id, reference)) this.#clear(session, reference.user, res);
  }

  /** Takes over a login that was read. If its idle end is due, checks the notices of logouts. */
  #use(key: string, login: DecodedLogin | undefined, lifeMs: number, res: Response): Promise<void> | undefined {
    this.#refusal = whyNotLoaded(login, this.#sessionId, this.place.rules);
    if (!login || this.#refusal === "not_ours") return undefined;
    if (this.#refusal === "too_old") return this.#end(key, login.record, res);
    this.#adopt(key, login, lifeMs);
    this.#watchEnd(res);
    this.#isIdleEndDue = isIdleEndDue(login.record, lifeMs, this.place.lives.lifeMs(this.#holder.session));
    return this.#isIdleEndDue ? this.#checkNotices(key, login.record, res) : undefined;
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

  async #checkNotices(key: string, record: LoginRecord, res: Response): Promise<void> {
    if (await this.place.logins.findMissedLogout(record)) await this.#end(key, record, res);
  }

  async #end(key: string, record: LoginRecord, res: Response): Promise<void> {
    await this.place.logins.end(key);
    this.forget();
    const { session } = this.#holder;
    if (session) this.#clear(session, userList(userOf(record)), res);
  }

  #clear(session: Session, user: string, res: Response): void {
    clearEndedSession(session, this.place.keepSessionKeys, user);
    omitCookie(this.#holder, res);
  }

  /** Takes over a login that this request has begun. */
  begin(key: string, record: LoginRecord): void {
    this.#sessionId = this.#holder.sessionID;
    this.#adopt(key, { record, view: new LoginView(record) }, record.idle_ms);
    this.#isReleased = true;
  }

  /** Takes over a login that another request of the same browser has begun. */
  join({ key, stored, login }: FoundLogin & { readonly login: DecodedLogin }): void {
    this.#sessionId = this.#holder.sessionID;
    this.#adopt(key, login, stored.lifeMs);
    this.#isReleased = true;
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
  #watchEnd(res: Response): void {
    whenEnded(res, () => {
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
