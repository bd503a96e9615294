import type { RecordStore, StoredRecord } from "../store/record-store.js";
import { retryCompareAndSet } from "../store/retry-compare-and-set.js";
import { parseJsonObject } from "../util/parse-json-object.js";
import type { LoginRecord } from "./login-record.js";

/** The user has signed out everywhere at one portalAuth(): its redirect URI says which. */
export interface LogoutByUser {
  readonly reason: "everywhere";
  readonly redirect_uri: string;
  /** Random. A login that began after this logout remembers it. */
  readonly id: string;
}

/** The provider has asked for a logout. */
export interface LogoutByProvider {
  readonly reason: "backchannel" | "frontchannel";
  /** Only logins of this session at the provider; undefined for all logins of the user. */
  readonly sid: string | undefined;
  /** Of the logout token, in epoch seconds: logins that the provider told of later are others. */
  readonly iat: number;
  /** The clocks of a provider's servers may differ by so much, in seconds. */
  readonly tolerance: number;
}

export type Logout = LogoutByUser | LogoutByProvider;

/** A logout that may have missed logins. */
export type LogoutNotice = Logout & {
  /** How long the notice lives, in milliseconds. */
  readonly life_ms: number;
  /** How long ago the logout was, in milliseconds, by the clock of the store. */
  readonly age_ms: number;
};

/**
 * What the store keeps. The ages are those of the moment of writing. Since then so much time has passed as
 * the record has lost of its life: no clock of a process is needed.
 */
interface StoredNotices {
  /** The life that the record was written with, in milliseconds. */
  readonly life_ms: number;
  readonly notices: readonly unknown[];
}

/** Logins that were begun before a logout are finished within this time, or never. */
export const LOGIN_IN_PROGRESS_MS = 10 * 60_000;

/**
 * Notices of logouts, one record for each user or provider session. A logout ends the logins that the index
 * names. A notice ends the others: a login that is in progress, and one that the index has lost.
 */
export class LogoutNotices {
  readonly #records: RecordStore;

  constructor(records: RecordStore) {
    this.#records = records;
  }

  /** Writes a notice, in place of an earlier one of the same kind. */
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

  /** Reads the notices under these names. */
  async read(names: readonly string[]): Promise<LogoutNotice[]> {
    const stored = await Promise.all(names.map((name) => this.#records.read(getNoticeKey(name))));
    return stored.flatMap((record) => (record ? parseNotices(record) : []));
  }
}

/** Returns the id of the logout everywhere that came before the request of a login, which is `ageMs` old. */
export const findLogoutBeforeLogin = (
  notices: readonly LogoutNotice[],
  { redirect_uri }: LoginRecord,
  ageMs: number,
) =>
  notices.filter(isByUser).find((logout) => logout.redirect_uri === redirect_uri && logout.age_ms >= ageMs)
    ?.id;

/** Whether a logout ends this login, which its list of logins did not name. */
export function shouldEndLogin(logout: Logout, login: LoginRecord): boolean {
  if (isByUser(logout)) return logout.redirect_uri === login.redirect_uri && logout.id !== login.known_logout;
  const { sid, iat = Number.POSITIVE_INFINITY } = login.authentication ?? {};
  if (sid !== undefined && sid === logout.sid) return iat <= logout.iat + logout.tolerance;
  return iat <= logout.iat && (logout.sid === undefined || sid === undefined);
}

const getNoticeKey = (name: string): string => `n:${name}`;

const isByUser = <T extends Logout>(logout: T): logout is Extract<T, LogoutByUser> =>
  logout.reason === "everywhere";

const isSameKind = (one: Logout, other: Logout): boolean =>
  isByUser(one)
    ? isByUser(other) && one.redirect_uri === other.redirect_uri
    : !isByUser(other) && one.sid === other.sid;

function addToNotices(notices: readonly LogoutNotice[], logout: Logout, life_ms: number): LogoutNotice[] {
  const others = notices.filter((notice) => !isSameKind(notice, logout));
  const written = { life_ms, age_ms: 0 };
  if (isByUser(logout)) return [...others, { ...logout, ...written }];
  const same = notices.filter((notice) => isSameKind(notice, logout));
  const iat = Math.max(logout.iat, ...same.flatMap((notice) => (isByUser(notice) ? [] : [notice.iat])));
  return [...others, { ...logout, ...written, iat }];
}

/** Returns the notices that have not expired, with their ages of now. Others may write to the store. */
function parseNotices({ text, lifeMs }: StoredRecord): LogoutNotice[] {
  const { life_ms, notices } = parseStoredNotices(text);
  const sinceWritten = Math.max(0, life_ms - lifeMs);
  return notices
    .filter(isNotice)
    .map((notice) => ({ ...notice, age_ms: notice.age_ms + sinceWritten }))
    .filter(({ age_ms, life_ms }) => age_ms < life_ms);
}

/** Whether a value has the shape of a notice. Its reason goes into events and to onLogout. */
function isNotice(value: unknown): value is LogoutNotice {
  const notice = Object(value) as { readonly [name: string]: unknown };
  const areAll = (type: string, ...names: string[]) => names.every((name) => typeof notice[name] === type);
  if (!areAll("number", "life_ms", "age_ms")) return false;
  if (notice["reason"] === "everywhere") return areAll("string", "redirect_uri", "id");
  const isByProvider = notice["reason"] === "backchannel" || notice["reason"] === "frontchannel";
  return isByProvider && areAll("number", "iat", "tolerance");
}

function parseStoredNotices(text: string): StoredNotices {
  const { life_ms, notices } = Object(parseJsonObject(text)) as Partial<StoredNotices>;
  return typeof life_ms === "number" && Array.isArray(notices)
    ? { life_ms, notices }
    : { life_ms: 0, notices: [] };
}
