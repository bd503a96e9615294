import type { Request } from "express";
import type { Session } from "express-session";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { generateSession } from "../store/generate-session.js";
import { addNewRecord } from "../store/loaded-entry.js";
import { wrapStoreFailure } from "../store/wrap-store-failure.js";
import { fromCallback } from "../util/from-callback.js";
import { pause } from "../util/pause.js";
import { getLoginState } from "./attached-login.js";
import type { LoginPolicy } from "./login-policy.js";
import type { LoginRecord } from "./login-record.js";
import { createReference, writeReference } from "./login-reference.js";
import type { LoginState } from "./login-state.js";
import { getRecordKey, type LoginStorage } from "./login-storage.js";
import { getSessionHolder } from "./session-holder.js";

const POLL_MS = 50;

/**
 * Gives the session of this request a new id, and saves it. The session's data and its login stay, and the
 * old id is invalid then. A visitor's session also gets a new id. express-session sets the new cookie when
 * the response ends.
 *
 * If the new session cannot be saved, its record is removed, because no browser has the new id. In the
 * application's store that ends the login. In our own store the record is a copy: the old session keeps its
 * id and its login.
 *
 * @param waitMs how long to wait for a running refresh, in milliseconds, so that it can save its tokens
 *   before the record moves. After that time, the claim of the refresh is dropped and the move continues. In
 *   the application's store the record does not move, so there is no wait
 * @throws PortalAuthError `session_missing` if the request has no session of express-session. It is unchanged
 *   then
 * @throws PortalAuthError `login_required` if another request has ended or moved the login since this request
 *   loaded it, or `session_store_failed`. After both, `req.session` is undefined and no cookie is sent
 */
export async function regenerateSession(req: Request, policy: LoginPolicy, waitMs: number): Promise<void> {
  const holder = getSessionHolder(req, policy);
  const current = getLoginState(req, policy);
  const oldSession = holder.session as Session | undefined;
  if (!current || typeof oldSession?.regenerate !== "function") throw new PortalAuthError("session_missing");
  const isSignedIn = current.getView(policy) !== undefined;
  try {
    if (!isSignedIn) await replaceVisitorSession(holder, current, oldSession);
    else if (current.storage.isOurStore) await moveEntry(holder, current, oldSession, waitMs);
    else await moveReference(holder, current, oldSession);
  } catch (error) {
    current.forget();
    (holder as { session?: unknown }).session = undefined;
    throw wrapStoreFailure("regenerate", error);
  }
}

/**
 * Copies a session's data to the new session, and the `maxAge` that the application has set for its cookie.
 */
function copyData({ session }: Request, { storage }: LoginState, { cookie, ...data }: Session): void {
  Object.assign(session, data);
  if (!storage.lifetime.isCookieSetOnce) session.cookie.maxAge = cookie.originalMaxAge as number;
}

async function replaceVisitorSession(
  holder: Request,
  current: LoginState,
  oldSession: Session,
): Promise<void> {
  await fromCallback((done) => holder.session.regenerate(done));
  copyData(holder, current, oldSession);
  await fromCallback((done) => holder.session.save(done));
}

/** Moves a session in the application's store. The login record keeps its key, and names the new session. */
async function moveReference(holder: Request, current: LoginState, oldSession: Session): Promise<void> {
  const { key = "", storage } = current;
  current.release();
  await fromCallback((done) => holder.session.regenerate(done));
  const session_id = holder.sessionID;
  // If another request has moved the login meanwhile, the browser gets the cookie of that session.
  const record = await storage.logins.update(key, (stored) =>
    stored.session_id === oldSession.id ? { ...stored, session_id } : undefined,
  );
  if (record?.session_id !== session_id) throw createLoginEndedError();
  copyData(holder, current, oldSession);
  writeReference(holder.session, createReference(record, storage.portalAuthId));
  await removeOnFailure(storage, key, () => fromCallback((done) => holder.session.save(done)));
  current.adoptNewLogin(key, record);
}

/**
 * Runs the work. If it fails, removes the record at `key`, which names the new session. No browser has the id
 * of that session, so the user's list of sessions must not show it.
 */
async function removeOnFailure(
  storage: LoginStorage,
  key: string,
  work: () => Promise<unknown>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    await storage.logins.remove(key).catch(() => {});
    throw error;
  }
}

/**
 * Moves a session and its record in our own store, where both have the key of the session id. They are
 * copied, and then the original is removed, if it is still unchanged. Otherwise the copy is updated first.
 * Therefore a logout or a refresh at the same moment is not lost.
 */
async function moveEntry(
  holder: Request,
  current: LoginState,
  oldSession: Session,
  waitMs: number,
): Promise<void> {
  const { key: oldKey = "", storage } = current;
  let found = await readAfterRefresh(storage, oldKey, waitMs);
  current.release();
  generateSession(holder.sessionStore, holder);
  copyData(holder, current, oldSession);
  const session_id = holder.sessionID;
  const newKey = getRecordKey(storage, session_id, "");
  await removeOnFailure(storage, newKey, async () => {
    for (let version = 0; ; found = await readAfterRefresh(storage, oldKey, waitMs)) {
      const record: LoginRecord = { ...found.record, session_id };
      version = await writeCopy(holder, storage, newKey, record, version);
      if (!(await storage.logins.records.remove(oldKey, found.version))) continue;
      await storage.logins.removeFromIndex(oldKey, record);
      return current.adoptNewLogin(newKey, record);
    }
  });
}

/**
 * Writes the copy of a login under its new key. The first time, it lists the key under the user and saves the
 * new session together with the record. Later on, it updates the record alone.
 *
 * @param version the stored version of the copy; 0 if it was not written yet.
 * @returns the stored version of the copy then.
 * @throws PortalAuthError `login_required` if the copy has been changed or removed meanwhile.
 *   Rejects also if the store fails.
 */
async function writeCopy(
  holder: Request,
  { logins }: LoginStorage,
  key: string,
  record: LoginRecord,
  version: number,
): Promise<number> {
  const text = logins.encode(key, record);
  if (version === 0) {
    await logins.addToIndex(key, record);
    addNewRecord(holder.session, text);
    await fromCallback((done) => holder.session.save(done));
    return 1;
  }
  if (!(await logins.records.replace(key, version, text))) throw createLoginEndedError();
  return version + 1;
}

/**
 * Reads the record of a login. If a refresh is running, it waits until that has ended. If it has not ended
 * after `waitMs` milliseconds, its process was killed: the returned record is that of the store, without the
 * refresh claim.
 *
 * @throws PortalAuthError `login_required` if the login has ended or cannot be decoded. Rejects
 *   also if the store fails.
 */
async function readAfterRefresh(
  { logins }: LoginStorage,
  key: string,
  waitMs: number,
): Promise<{ readonly record: LoginRecord; readonly version: number }> {
  const giveUpAt = performance.now() + waitMs;
  for (;;) {
    const found = await logins.read(key);
    const record = found?.login?.record;
    if (!found || !record) throw createLoginEndedError();
    if (!record.refreshing) return { record, version: found.stored.version };
    if (performance.now() >= giveUpAt) {
      const { refreshing, ...withoutClaim } = record;
      return { record: withoutClaim, version: found.stored.version };
    }
    await pause(POLL_MS);
  }
}

const createLoginEndedError = () => new PortalAuthError("login_required", { detail: "the login has ended" });
