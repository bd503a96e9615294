import type { Request } from "express";
import type { Session } from "express-session";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { generateSession } from "../store/generate-session.js";
import { addNewRecord } from "../store/loaded-entry.js";
import { wrapStoreFailure } from "../store/wrap-store-failure.js";
import { fromCallback } from "../util/from-callback.js";
import { pause } from "../util/pause.js";
import { getRequestLogin } from "./attached-login.js";
import type { LoginPolicy } from "./login-policy.js";
import type { LoginRecord } from "./login-record.js";
import { createReference, writeReference } from "./login-reference.js";
import { getRecordKey, type LoginStorage } from "./login-storage.js";
import type { RequestLogin } from "./request-login.js";
import { getSessionHolder } from "./session-holder.js";

const POLL_MS = 50;

/**
 * Gives the session of this request a new id, and keeps everything that is in it and the login. The old id is
 * worthless then.
 *
 * @param waitMs how long a refresh may take: it must save its tokens before the record can move
 * @throws PortalAuthError `login_required` if the login has ended meanwhile, `session_store_failed`,
 *   `session_missing`
 */
export async function regenerateSession(req: Request, policy: LoginPolicy, waitMs: number): Promise<void> {
  const holder = getSessionHolder(req, policy);
  const current = getRequestLogin(req, policy);
  const old = holder.session as Session | undefined;
  if (!current || typeof old?.regenerate !== "function") throw new PortalAuthError("session_missing");
  const isSignedIn = current.getView(policy) !== undefined;
  try {
    if (!isSignedIn) await replaceVisitorSession(holder, current, old);
    else if (current.storage.isOurStore) await moveEntry(holder, current, old, waitMs);
    else await moveReference(holder, current, old);
  } catch (error) {
    current.forget();
    (holder as { session?: unknown }).session = undefined;
    throw wrapStoreFailure("regenerate", error);
  }
}

/**
 * Copies everything that is in a session to the one that replaces it, and the life that the application has
 * given its cookie.
 */
function copyData({ session }: Request, { storage }: RequestLogin, { cookie, ...data }: Session): void {
  Object.assign(session, data);
  if (!storage.lifetime.isCookieSetOnce) session.cookie.maxAge = cookie.originalMaxAge as number;
}

async function replaceVisitorSession(holder: Request, current: RequestLogin, old: Session): Promise<void> {
  await fromCallback((done) => holder.session.regenerate(done));
  copyData(holder, current, old);
  await fromCallback((done) => holder.session.save(done));
}

/** In an application's own store only the session moves. The record stays, and names the new session. */
async function moveReference(holder: Request, current: RequestLogin, old: Session): Promise<void> {
  const { key = "", storage } = current;
  current.release();
  await fromCallback((done) => holder.session.regenerate(done));
  const session_id = holder.sessionID;
  // Another request may have moved the login meanwhile. The browser gets the cookie of that session.
  const record = await storage.logins.update(key, (stored) =>
    stored.session_id === old.id ? { ...stored, session_id } : undefined,
  );
  if (record?.session_id !== session_id) throw createLoginEndedError();
  copyData(holder, current, old);
  writeReference(holder.session, createReference(record, storage.tenant));
  await endLoginOnFailure(storage, key, () => fromCallback((done) => holder.session.save(done)));
  current.adoptNewLogin(key, record);
}

/**
 * Nobody knows the new id if a move fails, so the login is ended: the list of the user's sessions must not
 * show it.
 */
async function endLoginOnFailure(
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
 * In a store of ours the record lies under the id of the session. It is copied, and the copy counts once the
 * original has been removed unchanged. So a logout or a refresh at the same moment is never lost.
 */
async function moveEntry(
  holder: Request,
  current: RequestLogin,
  old: Session,
  waitMs: number,
): Promise<void> {
  const { key: oldKey = "", storage } = current;
  let found = await readAfterRefresh(storage, oldKey, waitMs);
  current.release();
  generateSession(holder.sessionStore, holder);
  copyData(holder, current, old);
  const session_id = holder.sessionID;
  const newKey = getRecordKey(storage, session_id, "");
  await endLoginOnFailure(storage, newKey, async () => {
    for (let version = 0; ; found = await readAfterRefresh(storage, oldKey, waitMs)) {
      const record: LoginRecord = { ...found.record, session_id };
      version = await writeCopy(holder, storage, newKey, record, version);
      if (!(await storage.logins.records.remove(oldKey, found.version))) continue;
      await storage.logins.removeFromIndex(oldKey, record);
      return current.adoptNewLogin(newKey, record);
    }
  });
}

/** @returns the version of the copy */
async function writeCopy(
  holder: Request,
  { logins }: LoginStorage,
  key: string,
  record: LoginRecord,
  version: number,
) {
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

async function readAfterRefresh({ logins }: LoginStorage, key: string, waitMs: number) {
  const giveUpAt = performance.now() + waitMs;
  for (;;) {
    const found = await logins.read(key);
    const record = found?.login?.record;
    if (!found || !record) throw createLoginEndedError();
    if (!record.refreshing) return { record, version: found.stored.version };
    if (performance.now() >= giveUpAt) {
      const { refreshing, ...others } = record; // its process was killed
      return { record: others, version: found.stored.version };
    }
    await pause(POLL_MS);
  }
}

const createLoginEndedError = () => new PortalAuthError("login_required", { detail: "the login has ended" });
