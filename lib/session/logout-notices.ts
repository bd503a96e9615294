import type { Clock } from "../clock.js";
import type { RecordStore } from "../store/records.js";
import { untilWritten } from "../store/until-written.js";
import type { LoginRecord } from "./login-record.js";

/** The user has signed out everywhere at one portalAuth(): its redirect URI says which. */
export interface LogoutByUser {
  readonly redirect_uri: string;
}

/** The provider has asked for a logout. */
export interface LogoutByProvider {
  /** Only logins of this session at the provider; undefined for all logins of the user. */
  readonly sid: string | undefined;
  /** Of the logout token, in epoch seconds: logins that the provider told of later are others. */
  readonly iat: number;
  /** The clocks of a provider's servers may differ by so much, in seconds. */
  readonly tolerance: number;
}

export type Logout = LogoutByUser | LogoutByProvider;

/** `at` is the time of the logout, `until` the end of the notice, both by our clock in epoch milliseconds. */
type Notice = Logout & { readonly at: number; readonly until: number };

/** Logins that were begun before a logout are finished within this time, or never. */
export const LOGIN_IN_PROGRESS_MS = 10 * 60_000;
const MOST_ATTEMPTS = 20;

/**
 * Notices of logouts, one record for each user or provider session. A logout ends the logins that the index
 * names. A notice ends the others: a login that is in progress, and one that the index has lost.
 */
export class LogoutNotices {
  readonly #records: RecordStore;
  readonly #clock: Clock;

  constructor(records: RecordStore, clock: Clock) {
    this.#records = records;
    this.#clock = clock;
  }

  /** Writes a notice, in place of an earlier one of the same kind. */
  async add(name: string, logout: Logout, lifeMs: number): Promise<void> {
    const key = keyOf(name);
    await untilWritten(async () => {
      const stored = await this.#records.read(key);
      const notices = stored ? parse(stored.text) : [];
      const text = JSON.stringify(this.#with(notices, logout, lifeMs));
      const isWritten = stored
        ? await this.#records.replace(key, stored.version, text, Math.max(lifeMs, stored.lifeMs))
        : await this.#records.create(key, text, lifeMs);
      return isWritten ? { outcome: undefined } : undefined;
    }, MOST_ATTEMPTS);
  }

  /** Tells whether one of these notices ends this login. */
  async haveEnded(names: readonly string[], login: LoginRecord): Promise<boolean> {
    const stored = await Promise.all(names.map((name) => this.#records.read(keyOf(name))));
    return stored.some((record) => record !== undefined && parse(record.text).some((notice) => ends(notice, login)));
  }

  #with(notices: readonly Notice[], logout: Logout, lifeMs: number): Notice[] {
    const at = this.#clock();
    const until = at + lifeMs;
    const others = notices.filter((notice) => notice.until > at && !isSameKind(notice, logout));
    if (isByUser(logout)) return [...others, { ...logout, at, until }];
    const same = notices.filter((notice) => isSameKind(notice, logout));
    const iat = Math.max(logout.iat, ...same.flatMap((notice) => (isByUser(notice) ? [] : [notice.iat])));
    return [...others, { ...logout, iat, at, until }];
  }
}

const keyOf = (name: string): string => `n:${name}`;

const isByUser = <T extends Logout>(logout: T): logout is Extract<T, LogoutByUser> => "redirect_uri" in logout;

const isSameKind = (one: Logout, other: Logout): boolean =>
  isByUser(one)
    ? isByUser(other) && one.redirect_uri === other.redirect_uri
    : !isByUser(other) && one.sid === other.sid;

function ends(
  notice: Notice,
  { redirect_uri, asked_at, authentication: { sid, iat = Number.POSITIVE_INFINITY } = {} }: LoginRecord,
) {
  // The same millisecond counts as later: a test's clock may stand still.
  if (isByUser(notice)) return notice.redirect_uri === redirect_uri && asked_at < notice.at;
  if (sid !== undefined && sid === notice.sid) return iat <= notice.iat + notice.tolerance;
  return iat <= notice.iat && (notice.sid === undefined || sid === undefined);
}

/** Others may write to the store. */
function parse(text: string): Notice[] {
  try {
    const notices: unknown = JSON.parse(text);
    return Array.isArray(notices) ? notices.filter((notice) => typeof notice?.at === "number") : [];
  } catch {
    return [];
  }
}
