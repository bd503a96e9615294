import { randomBytes } from "node:crypto";
import type { Request } from "express";
import type { Session, SessionData } from "express-session";
import type { Authentication, Claims, TokenSet } from "../contract/tokens.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { generateSession } from "../store/generate-session.js";
import { beginWith } from "../store/loaded-entry.js";
import { storeFailed } from "../store/store-failed.js";
import { promised } from "../util/promised.js";
import { epochSeconds } from "../util/time.js";
import { loginOf } from "./attached-login.js";
import { holderOf } from "./holder.js";
import { type LoginPlace, recordKey } from "./login-place.js";
import { keptUserAgent, type LoginRecord, type PortalSession } from "./login-record.js";
import { referenceTo, userOfData, writeReference } from "./login-reference.js";
import { FORM_KEY, type PendingForm } from "./pending-form.js";
import type { RequestLogin } from "./request-login.js";
import { LOGIN_KEYS, reservedKey } from "./reserved-keys.js";
import { isForeign, isOfClient, type SessionRules } from "./session-rules.js";
import { userList } from "./user-logins.js";

export interface NewSession {
  readonly rules: SessionRules;
  readonly tokens: TokenSet;
  readonly claims: Claims;
  readonly authentication: Authentication;
  /**
   * Returns how long ago the provider was asked for the tokens, in milliseconds: a logout since then ends this
   * login.
   */
  readonly requestAgeMs: () => number;
  /** What else shall be in the new session: from the onLogin hook. */
  readonly extra: Partial<SessionData>;
  /** Keys of the old session that survive. */
  readonly keep: readonly string[];
  /**
   * Whether all keys of the old session survive but those that onLogin has set, if its login counts and is
   * the same user's. Default false.
   */
  readonly keepAll?: boolean;
  /** A form that waits for this login. */
  readonly form?: PendingForm | undefined;
  /** Called with the login of another user that was in the old session, once that has ended. */
  readonly onReplaced: (login: PortalSession) => void;
}

/**
 * Begins a login in a session with a NEW id, so that an id that was planted before the login is worth nothing
 * (session fixation). The login is listed first, then written, and then looked for in the notices of logouts:
 * so a logout at the same moment finds the login, or the login finds the logout.
 *
 * @returns the new id
 * @throws PortalAuthError `login_ended`, `session_store_failed`, `session_missing`. The request has no
 *   session then
 */
export async function beginSession(on: Request, begun: NewSession): Promise<string> {
  const { rules, claims } = begun;
  const current = loginOf(on, rules);
  const holder = holderOf(on, rules);
  const old = holder.session as (Session & Partial<SessionData>) | undefined;
  if (!current || typeof old?.regenerate !== "function") throw new PortalAuthError("session_missing");
  const former = current.record;
  const isAnothers = former
    ? !isOfSameUser(former, rules, claims)
    : holdsDataOfAnother(old, current, rules, claims);
  const survivors = isAnothers ? {} : pick(old, keptKeys(current, begun, old));
  try {
    await replaceSession(holder, current, former, isAnothers ? begun.onReplaced : () => {});
    Object.assign(holder.session, survivors, addedBy(begun));
    await writeLogin(holder, current, newRecord(on, holder, begun, current.place), begun.requestAgeMs);
  } catch (cause) {
    // express-session saves what is in req.session when the response ends. A half-made session must not
    // be there then.
    (holder as { session?: unknown }).session = undefined;
    current.release(); // a former login that is still stored stays
    throw storeFailed("begin", cause);
  }
  return holder.sessionID;
}

const isOfSameUser = (former: LoginRecord, rules: SessionRules, claims: Claims): boolean =>
  isOfClient(former, rules) && former.claims.sub === claims.sub;

/**
 * Whether the old session may hold another user's data: of a login that cannot be read here, or of one that
 * has ended and has left the keys of keepSessionKeys.
 */
function holdsDataOfAnother(
  old: Session,
  current: RequestLogin,
  { issuer, clientId: client_id }: SessionRules,
  { sub }: Claims,
): boolean {
  const user = userOfData(old);
  if (user !== undefined) return user !== userList({ issuer, client_id, sub });
  return current.refusal(current.place.rules) === "unreadable";
}

/** Ends the login of the old session, if there is one, and puts a new session in its place. */
async function replaceSession(
  holder: Request,
  { key, place }: RequestLogin,
  former: LoginRecord | undefined,
  onReplaced: (login: PortalSession) => void,
): Promise<void> {
  const isOurs = former === undefined || !isForeign(former, place.rules); // undefined also if it cannot be decoded
  const ended = key !== undefined && isOurs ? await place.logins.end(key) : undefined;
  if (ended && place.isOurStore) {
    // The session went with its login, so there is nothing left to destroy.
    generateSession(holder.sessionStore, holder);
  } else await promised((done) => holder.session.regenerate(done));
  if (ended?.record) onReplaced(ended.record);
}

function newRecord(
  on: Request,
  { session, sessionID }: Request,
  begun: NewSession,
  { lives }: LoginPlace,
): LoginRecord {
  const { rules, tokens, claims, authentication } = begun;
  const now = epochSeconds(rules.clock);
  const user_agent = keptUserAgent(on.headers["user-agent"]);
  const record = {
    login_id: randomBytes(16).toString("base64url"),
    session_id: sessionID,
    issuer: rules.issuer,
    client_id: rules.clientId,
    redirect_uri: rules.redirectUri,
    tokens,
    claims,
    authentication,
    started_at: now,
    obtained_at: now,
    idle_ms: lives.lifeMs(session),
    user_agent,
    version: 1,
  };
  return JSON.parse(JSON.stringify(record)); // what a hook has put into the claims stays the application's own
}

async function writeLogin(
  holder: Request,
  current: RequestLogin,
  record: LoginRecord,
  requestAgeMs: () => number,
): Promise<void> {
  const { place } = current;
  const { logins } = place;
  const key = recordKey(place, holder.sessionID, record.login_id);
  await logins.list(key, record);
  const text = logins.encode(key, record);
  if (place.isOurStore) beginWith(holder.session, text);
  else writeReference(holder.session, referenceTo(record, place.tenant));
  try {
    if (!place.isOurStore) await logins.records.create(key, text, record.idle_ms);
    await promised((done) => holder.session.save(done));
    const confirmed = await logins.confirm(key, record, requestAgeMs);
    if (!confirmed) throw new PortalAuthError("login_ended");
    current.begin(key, confirmed);
  } catch (error) {
    // Nobody knows the new id, so a session that cannot be removed opens nothing.
    await logins.end(key).catch(() => {});
    if (!place.isOurStore)
      await promised((done) => holder.sessionStore.destroy(holder.sessionID, done)).catch(() => {});
    throw error;
  }
}

/**
 * Returns the keys of the old session that survive. It is no session of another user. With `keepAll`, keys
 * that onLogin has set stay behind: they say what the provider said then, such as a role that the user may
 * have lost since.
 */
function keptKeys(
  current: RequestLogin,
  { keep, keepAll = false, rules }: NewSession,
  old: object,
): readonly string[] {
  const isSignedIn = current.read(rules) !== undefined;
  if (!keepAll || !isSignedIn) return keep;
  const ofLogin = loginKeysOf(old);
  const all = Object.keys(old).filter((key) => isOfApplication(key) && !ofLogin.includes(key));
  return [...new Set([...all, ...keep])];
}

/** A form that waits belongs to the user, and goes along. */
const isOfApplication = (key: string): boolean => key === FORM_KEY || reservedKey([key]) === undefined;

function loginKeysOf(session: object): readonly unknown[] {
  const { [LOGIN_KEYS]: listed } = session as { readonly [LOGIN_KEYS]?: unknown };
  return Array.isArray(listed) ? listed : [];
}

function pick(session: object, keys: readonly string[]): object {
  return Object.fromEntries(Object.entries(session).filter(([key]) => keys.includes(key)));
}

function addedBy({ extra, form }: NewSession): object {
  const keys = Object.keys(extra);
  const added: Record<string, unknown> = { ...extra };
  if (keys.length > 0) added[LOGIN_KEYS] = keys;
  if (form) added[FORM_KEY] = form;
  return added;
}
