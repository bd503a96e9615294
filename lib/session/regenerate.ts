import type { Request } from "express";
import type { Session } from "express-session";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { generateSession } from "../store/generate-session.js";
import { beginWith } from "../store/loaded-entry.js";
import { storeFailed } from "../store/store-failed.js";
import { pause } from "../util/pause.js";
import { promised } from "../util/promised.js";
import { loginOf } from "./attached-login.js";
import { holderOf } from "./holder.js";
import { type LoginPlace, recordKey } from "./login-place.js";
import type { LoginRecord } from "./login-record.js";
import { referenceTo, writeReference } from "./login-reference.js";
import type { RequestLogin } from "./request-login.js";
import type { SessionRules } from "./session-rules.js";

const LOOK_AGAIN_MS = 50;

/**
 * Gives the session of this request a new id, and keeps everything that is in it and the login. The old id is
 * worthless then.
 *
 * @param waitMs how long a refresh may take: it must save its tokens before the record can move
 * @throws PortalAuthError `login_required` if the login has ended meanwhile, `session_store_failed`,
 *   `session_missing`
 */
export async function regenerateSession(on: Request, rules: SessionRules, waitMs: number): Promise<void> {
  const holder = holderOf(on, rules);
  const current = loginOf(on, rules);
  const old = holder.session as Session | undefined;
  if (!current || typeof old?.regenerate !== "function") throw new PortalAuthError("session_missing");
  const isSignedIn = current.read(rules) !== undefined;
  try {
    if (!isSignedIn) await replaceSession(holder, current, old);
    else if (current.place.isOurStore) await moveEntry(holder, current, old, waitMs);
    else await moveReference(holder, current, old);
  } catch (error) {
    current.forget();
    (holder as { session?: unknown }).session = undefined;
    throw storeFailed("regenerate", error);
  }
}

/**
 * Copies everything that is in a session to the one that replaces it, and the life that the application has
 * given its cookie.
 */
function copyData({ session }: Request, { place }: RequestLogin, { cookie, ...data }: Session): void {
  Object.assign(session, data);
  if (!place.lives.isCookieSetOnce) session.cookie.maxAge = cookie.originalMaxAge as number;
}

async function replaceSession(holder: Request, current: RequestLogin, old: Session): Promise<void> {
  await promised((done) => holder.session.regenerate(done));
  copyData(holder, current, old);
  await promised((done) => holder.session.save(done));
}

/** In an application's own store only the session moves. The record stays, and names the new session. */
async function moveReference(holder: Request, current: RequestLogin, old: Session): Promise<void> {
  const { key = "", place } = current;
  current.release();
  await promised((done) => holder.session.regenerate(done));
  const session_id = holder.sessionID;
  // Another request may have moved the login meanwhile. The browser gets the cookie of that session.
  const record = await place.logins.update(key, (stored) =>
    stored.session_id === old.id ? { ...stored, session_id } : undefined,
  );
  if (record?.session_id !== session_id) throw hasEnded();
  copyData(holder, current, old);
  writeReference(holder.session, referenceTo(record, place.tenant));
  await orEnd(place, key, () => promised((done) => holder.session.save(done)));
  current.begin(key, record);
}

/**
 * Nobody knows the new id if a move fails, so the login is ended: the list of the user's sessions must not
 * show it.
 */
async function orEnd(place: LoginPlace, key: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    await place.logins.end(key).catch(() => {});
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
  const { key: oldKey = "", place } = current;
  let found = await readWhenRefreshed(place, oldKey, waitMs);
  current.release();
  generateSession(holder.sessionStore, holder);
  copyData(holder, current, old);
  const session_id = holder.sessionID;
  const newKey = recordKey(place, session_id, "");
  await orEnd(place, newKey, async () => {
    for (let version = 0; ; found = await readWhenRefreshed(place, oldKey, waitMs)) {
      const record: LoginRecord = { ...found.record, session_id };
      version = await writeCopy(holder, place, newKey, record, version);
      if (!(await place.logins.records.remove(oldKey, found.version))) continue;
      await place.logins.unlist(oldKey, record);
      return current.begin(newKey, record);
    }
  });
}

/** @returns the version of the copy */
async function writeCopy(
  holder: Request,
  { logins }: LoginPlace,
  key: string,
  record: LoginRecord,
  version: number,
) {
  const text = logins.encode(key, record);
  if (version === 0) {
    await logins.list(key, record);
    beginWith(holder.session, text);
    await promised((done) => holder.session.save(done));
    return 1;
  }
  if (!(await logins.records.replace(key, version, text))) throw hasEnded();
  return version + 1;
}

async function readWhenRefreshed({ logins }: LoginPlace, key: string, waitMs: number) {
  const giveUpAt = performance.now() + waitMs;
  for (;;) {
    const found = await logins.read(key);
    const record = found?.login?.record;
    if (!found || !record) throw hasEnded();
    if (!record.refreshing) return { record, version: found.stored.version };
    if (performance.now() >= giveUpAt) {
      const { refreshing, ...others } = record; // its process was killed
      return { record: others, version: found.stored.version };
    }
    await pause(LOOK_AGAIN_MS);
  }
}

const hasEnded = () => new PortalAuthError("login_required", { detail: "the login has ended" });
