import type { RecordStore, StoredRecord } from "../store/record-store.js";
import { retryCompareAndSet } from "../store/retry-compare-and-set.js";
import { parseJsonObject } from "../util/parse-json-object.js";
import type { LoginRecord } from "./login-record.js";

/** The user has signed out on all devices, at the portalAuth() with this redirect URI. */
export interface LogoutByUser {
  readonly reason: "everywhere";
  readonly redirect_uri: string;
  /** Random. A login that started after this logout stores it as `known_logout`. */
  readonly id: string;
}

/** The provider has requested a logout. */
export interface LogoutByProvider {
  readonly reason: "backchannel" | "frontchannel";
  /** The session at the provider whose logins end. Undefined: all logins of the user end. */
  readonly sid: string | undefined;
  /** The time of the logout request, in epoch seconds. Logins with a later ID token do not end. */
  readonly iat: number;
  /** The maximum difference between the clocks of the provider's servers, in seconds. */
  readonly tolerance: number;
}

export type Logout = LogoutByUser | LogoutByProvider;

/** A stored logout. It ends the logins that the logout did not find. */
export type LogoutNotice = Logout & {
  /** The lifetime of the notice, in milliseconds. */
  readonly life_ms: number;
  /** The time since the logout, in milliseconds, by the clock of the store. */
  readonly age_ms: number;
};

/**
 * The stored form of the notices. Their ages are those at the time of writing. The time since then is the
 * difference between `life_ms` and the record's remaining lifetime, so no clock of a process is needed.
 */
interface StoredNotices {
  /** The lifetime that the record was written with, in milliseconds. */
  readonly life_ms: number;
  readonly notices: readonly unknown[];
}

/** A login that started before a logout is finished within this time, or never. */
export const LOGIN_IN_PROGRESS_MS = 10 * 60_000;

/**
 * Stores notices of logouts, in one record for each user or provider session. A logout ends the logins that
 * the index names. Its notice ends the others: a login in progress, and a login that the index has lost.
 */
export class LogoutNotices {
  readonly #records: RecordStore;

  constructor(records: RecordStore) {
    this.#records = records;
  }

  /**
   * Writes a notice to the record `n:<name>`. It replaces an earlier notice of the same kind: of the same
   * redirect URI, or of the same `sid`.
   *
   * @param lifeMs the lifetime of the notice, in milliseconds
   */
  async add(name: string, logout: Logout, lifeMs: number): Promise<void> {
    const key = getNoticeKey(name);
    await retryCompareAndSet(async () => {
      const stored = await this.#records.read(key);
      const life_ms = Math.max(lifeMs, stored?.lifeMs ?? 0);
      const notices = addToNotices(stored ? parseNotices(stored) : [], logout, lifeMs);
      const text = JSON.stringify({ life_ms, notices } satisfies StoredNotices);
      const isWritten = stored
        ? await this.#records.replace(key, stored.version, text, life_ms)
        : await this.#records.create(key, text, life_ms);
      return isWritten ? { outcome: undefined } : undefined;
    });
  }

  /** Reads the notices under these names that have not expired. */
  async read(names: readonly string[]): Promise<LogoutNotice[]> {
    const stored = await Promise.all(names.map((name) => this.#records.read(getNoticeKey(name))));
    return stored.flatMap((record) => (record ? parseNotices(record) : []));
  }
}

/**
 * Returns the id of the logout on all devices that came before a login's token request, if there is one.
 *
 * @param ageMs the time since the token request, in milliseconds
 */
export const findLogoutBeforeLogin = (
  notices: readonly LogoutNotice[],
  { redirect_uri }: LoginRecord,
  ageMs: number,
) =>
  notices.filter(isByUser).find((logout) => logout.redirect_uri === redirect_uri && logout.age_ms >= ageMs)
    ?.id;

/**
 * Returns whether a logout ends this login, although the logout did not find it.
 *
 * A logout of the user on all devices ends each login with the same redirect URI, except a login that started
 * after it. Such a login has the id of the logout in `known_logout`: see Logins.confirm().
 *
 * A logout of the provider ends a login whose ID token is not newer: its `iat` is not after that of the
 * logout. A login without `iat` stays. If the logout names a `sid`, it ends only these logins:
 *
 * - Logins with this `sid`. For them, `tolerance` is added to the `iat` of the logout.
 * - Logins without a `sid`, because they may belong to the same session at the provider.
 */
export function shouldEndLogin(logout: Logout, login: LoginRecord): boolean {
  if (isByUser(logout)) return logout.redirect_uri === login.redirect_uri && logout.id !== login.known_logout;
  const { sid, iat = Number.POSITIVE_INFINITY } = login.authentication ?? {};
  if (sid !== undefined && sid === logout.sid) return iat <= logout.iat + logout.tolerance;
  return iat <= logout.iat && (logout.sid === undefined || sid === undefined);
}

const getNoticeKey = (name: string): string => `n:${name}`;

const isByUser = <T extends Logout>(logout: T): logout is Extract<T, LogoutByUser> =>
  logout.reason === "everywhere";

const isSameKind = (first: Logout, second: Logout): boolean =>
  isByUser(first)
    ? isByUser(second) && first.redirect_uri === second.redirect_uri
    : !isByUser(second) && first.sid === second.sid;

/** Adds a logout to the notices. It replaces a notice of the same kind, and keeps the later `iat`. */
function addToNotices(notices: readonly LogoutNotice[], logout: Logout, life_ms: number): LogoutNotice[] {
  const others = notices.filter((notice) => !isSameKind(notice, logout));
  const written = { life_ms, age_ms: 0 };
  if (isByUser(logout)) return [...others, { ...logout, ...written }];
  const same = notices.filter((notice) => isSameKind(notice, logout));
  const iat = Math.max(logout.iat, ...same.flatMap((notice) => (isByUser(notice) ? [] : [notice.iat])));
  return [...others, { ...logout, ...written, iat }];
}

/** Returns the notices that have not expired, with their current ages. Invalid notices are omitted. */
function parseNotices({ text, lifeMs }: StoredRecord): LogoutNotice[] {
  const { life_ms, notices } = parseStoredNotices(text);
  const sinceWritten = Math.max(0, life_ms - lifeMs);
  return notices
    .filter(isNotice)
    .map((notice) => ({ ...notice, age_ms: notice.age_ms + sinceWritten }))
    .filter(({ age_ms, life_ms }) => age_ms < life_ms);
}

/**
 * Returns whether a value from the store is a valid notice. Others can write to the store, and the reason of
 * the notice goes into events and to onLogout.
 */
function isNotice(value: unknown): value is LogoutNotice {
  const notice = Object(value) as { readonly [name: string]: unknown };
  const haveType = (type: string, ...names: string[]) => names.every((name) => typeof notice[name] === type);
  if (!haveType("number", "life_ms", "age_ms")) return false;
  if (notice["reason"] === "everywhere") return haveType("string", "redirect_uri", "id");
  const isByProvider = notice["reason"] === "backchannel" || notice["reason"] === "frontchannel";
  return isByProvider && haveType("number", "iat", "tolerance");
}

function parseStoredNotices(text: string): StoredNotices {
  const { life_ms, notices } = Object(parseJsonObject(text)) as Partial<StoredNotices>;
  return typeof life_ms === "number" && Array.isArray(notices)
    ? { life_ms, notices }
    : { life_ms: 0, notices: [] };
}
