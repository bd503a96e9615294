import { PortalAuthError } from "../errors/portal-auth-error.js";
import type { RecordStore, StoredRecord } from "../store/record-store.js";
import { removeWithRetry } from "../store/remove-with-retry.js";
import { retryCompareAndSet } from "../store/retry-compare-and-set.js";
import { inBatches } from "../util/in-batches.js";
import { getProviderSessionListName, getUser, getUserListName, LoginIndex } from "./login-index.js";
import type { LoginRecord } from "./login-record.js";
import {
  findLogoutBeforeLogin,
  LOGIN_IN_PROGRESS_MS,
  type Logout,
  type LogoutNotice,
  LogoutNotices,
  shouldEndLogin,
} from "./logout-notices.js";
import type { DecodedLogin, RecordCodec } from "./record-codec.js";

const NOTICE_FAILED_WARNING =
  "The session store did not save the notice of a logout. Logins that were in progress at that moment may " +
  "stay signed in. Check the store: its memory may be full.";

export interface LoginsOptions {
  readonly records: RecordStore;
  readonly codec: RecordCodec;
  /** Maximum lifetime of a login, in seconds. */
  readonly absoluteSeconds: number;
  /** Whether logouts can name a session at the provider. */
  readonly hasProviderSessionLists: boolean;
  readonly warn: (message: string) => void;
}

/** A login as it was read from the store. */
export interface LoadedLogin {
  readonly key: string;
  readonly stored: StoredRecord;
  /** Undefined if the record cannot be decoded. */
  readonly login: DecodedLogin | undefined;
}

/** A login that was removed from the store. `record` is undefined if it could not be decoded. */
export interface EndedLogin {
  readonly key: string;
  readonly record: LoginRecord | undefined;
}

/** The logins that a logout has ended. If there is a `failure`, other logins may still be stored. */
export interface EndLoginsResult {
  readonly ended: readonly EndedLogin[];
  readonly failure?: unknown;
}

/**
 * Returns the new record of a login, or undefined to leave the record as it is. May be called several times
 * for one update.
 */
export type ChangeLogin = (record: LoginRecord) => LoginRecord | "remove" | undefined;

/**
 * Reads, updates and removes the login records of one portalAuth() in one store, with their lists and
 * notices. Every method rejects if the store fails, unless its description says otherwise.
 */
export class Logins {
  readonly records: RecordStore;
  readonly index: LoginIndex;
  readonly #options: LoginsOptions;
  readonly #notices: LogoutNotices;

  constructor(options: LoginsOptions) {
    this.records = options.records;
    this.#options = options;
    this.index = new LoginIndex(options.records);
    this.#notices = new LogoutNotices(options.records);
  }

  /** Reads a login. Resolves to undefined only if the primary has confirmed that there is no such login. */
  async read(key: string): Promise<LoadedLogin | undefined> {
    const stored = await this.records.read(key);
    return stored && { key, stored, login: this.decode(key, stored.text) };
  }

  /** Decodes the text of a record: see RecordCodec. */
  decode(key: string, text: string): DecodedLogin | undefined {
    return this.#options.codec.decode(key, text);
  }

  /** Encodes a record for the store: see RecordCodec. */
  encode(key: string, record: LoginRecord): string {
    return this.#options.codec.encode(key, record);
  }

  /**
   * Changes a stored login by compare-and-set: reads it, calls `change`, and writes or removes it as `change`
   * says. Nothing is written if `change` returns undefined. If another request has written in between, this
   * starts again with the new record, up to 50 times.
   *
   * @returns the login as it is stored then. Undefined if it has ended: `change` was not called, or it
   *   returned "remove".
   * @throws PortalAuthError `session_store_failed`, also for a record that cannot be decoded: such a login
   *   has not ended
   */
  async update(key: string, change: ChangeLogin): Promise<LoginRecord | undefined> {
    return retryCompareAndSet(async () => {
      const found = await this.read(key);
      if (!found) return { outcome: undefined };
      const record = found.login?.record;
      if (!record)
        throw new PortalAuthError("session_store_failed", {
          detail: "the record of the login is unreadable",
        });
      const next = change(record);
      if (next === undefined) return { outcome: record };
      if (!(await this.#write(found, record, next))) return undefined;
      return { outcome: next === "remove" ? undefined : next };
    });
  }

  async #write(
    { key, stored }: LoadedLogin,
    record: LoginRecord,
    next: LoginRecord | "remove",
  ): Promise<boolean> {
    if (next !== "remove") return this.records.replace(key, stored.version, this.encode(key, next));
    const removed = await this.records.remove(key, stored.version);
    if (removed) await this.removeFromIndex(key, record);
    return removed !== undefined;
  }

  /**
   * Lists a login under its user, and under its session at the provider. This is done before the record is
   * written, and when the idle time is extended.
   */
  addToIndex(key: string, record: LoginRecord): Promise<void> {
    return this.index.add(key, record, this.#options.hasProviderSessionLists);
  }

  /**
   * Checks a new login, whose record was written just now, for logouts that came after its token request. If
   * a logout on all devices came before, the id of that logout is saved in the record. Later checks then
   * compare ids instead of times.
   *
   * @param getRequestAgeMs returns the time since the token request, in milliseconds.
   * @returns the login as it is stored then, or undefined if a logout ends it: the caller must remove it
   */
  async confirm(
    key: string,
    record: LoginRecord,
    getRequestAgeMs: () => number,
  ): Promise<LoginRecord | undefined> {
    const notices = await this.#readNotices(record);
    const known_logout = findLogoutBeforeLogin(notices, record, getRequestAgeMs());
    const confirmed = known_logout === undefined ? record : { ...record, known_logout };
    if (notices.some((notice) => shouldEndLogin(notice, confirmed))) return undefined;
    if (confirmed === record) return record;
    return (await this.records.replace(key, 1, this.encode(key, confirmed))) ? confirmed : undefined;
  }

  /**
   * Reads the notices of logouts, and returns one that should have ended this login, but did not find its
   * record. Returns undefined if no logout did.
   */
  async findMissedLogout(record: LoginRecord): Promise<Logout | undefined> {
    const notices = await this.#readNotices(record);
    return notices.find((notice) => shouldEndLogin(notice, record));
  }

  #readNotices(record: LoginRecord): Promise<LogoutNotice[]> {
    const sid = record.authentication?.sid;
    const names = [getUserListName(getUser(record))];
    if (sid !== undefined && this.#options.hasProviderSessionLists)
      names.push(getProviderSessionListName(record, sid));
    return this.#notices.read(names);
  }

  /** Removes a login. Resolves to the login as it was last stored, or to undefined if there was none. */
  async remove(key: string): Promise<EndedLogin | undefined> {
    const removed = await this.records.remove(key);
    return removed && this.#toEndedLogin(key, removed);
  }

  async #toEndedLogin(key: string, { text }: StoredRecord, fallback?: LoginRecord): Promise<EndedLogin> {
    const record = this.decode(key, text)?.record ?? fallback;
    if (record) await this.removeFromIndex(key, record);
    return { key, record };
  }

  /**
   * Removes a login, even if its session has got a new id since `record` was read, and its record therefore a
   * new key. In that case the user's list is searched for a login with the same `login_id`.
   *
   * If the store fails, only the removal of `key` is retried, for about two seconds. An earlier try may have
   * removed the login, although its response was lost. If the login is then found nowhere, the result is
   * `record`, as if this call had removed it.
   *
   * @returns the removed login. Undefined if it was gone already, because another request has ended it.
   * @throws PortalAuthError `session_store_failed`
   */
  async removeEvenIfMoved(key: string, record: LoginRecord): Promise<EndedLogin | undefined> {
    const { removed, isRepeated } = await removeWithRetry(this.records, key);
    if (removed) return this.#toEndedLogin(key, removed, record);
    const others = await this.listByUser(getUserListName(getUser(record)));
    const moved = others.find(({ login }) => login?.record.login_id === record.login_id);
    if (moved) return this.remove(moved.key);
    return isRepeated ? { key, record } : undefined;
  }

  /**
   * Removes the key of a login from its user's list. A failure is ignored: the record is gone, so the key
   * does no harm and expires by itself.
   */
  async removeFromIndex(key: string, record: LoginRecord): Promise<void> {
    await this.index.remove(getUserListName(getUser(record)), [key]).catch(() => {});
  }

  /**
   * Reads the logins of a user, including those that cannot be decoded. Others can write to the store, so
   * listed logins of another user are omitted.
   *
   * @param list the name of the user's list: see getUserListName()
   */
  async listByUser(list: string): Promise<LoadedLogin[]> {
    const listed = await inBatches(await this.index.listKeys(list), (key) => this.read(key));
    const isOther = ({ record }: DecodedLogin) => getUserListName(getUser(record)) !== list;
    return listed.filter((found) => found !== undefined).filter(({ login }) => !login || !isOther(login));
  }

  /**
   * Removes the logins of a user that a logout affects, and leaves a notice for logins in progress. Never
   * rejects: the result has the failure.
   *
   * Records are removed first, because that needs no memory in the store. If the notice cannot be written,
   * this is logged. Logins that were written before the notice are removed after it.
   */
  async removeByUser(
    list: string,
    isAffected: (found: LoadedLogin) => boolean,
    logout: Logout,
  ): Promise<EndLoginsResult> {
    const ended: EndedLogin[] = [];
    try {
      await this.#removeListed(list, isAffected, ended);
      await this.addNotice(list, logout);
      await this.#removeListed(list, isAffected, ended);
      return { ended };
    } catch (failure) {
      return { ended, failure };
    }
  }

  /**
   * Writes a notice of a logout. A failure is logged, not thrown.
   *
   * @param name the name of the list of a user or of a provider session
   */
  async addNotice(name: string, logout: Logout): Promise<void> {
    const isOfOneSession = "sid" in logout && logout.sid !== undefined;
    const lifeMs = isOfOneSession ? LOGIN_IN_PROGRESS_MS : this.#options.absoluteSeconds * 1000;
    await this.#notices.add(name, logout, lifeMs).catch(() => this.#options.warn(NOTICE_FAILED_WARNING));
  }

  /** @param ended each removed login is added here, so that it is known if a later removal fails */
  async #removeListed(
    list: string,
    isAffected: (found: LoadedLogin) => boolean,
    ended: EndedLogin[],
  ): Promise<void> {
    const affected = (await this.listByUser(list)).filter(isAffected);
    await inBatches(affected, async ({ key, login }) => {
      const { removed, isRepeated } = await removeWithRetry(this.records, key);
      const record = (removed && this.decode(key, removed.text)?.record) ?? login?.record;
      if (removed || isRepeated) ended.push({ key, record });
    });
    const keys = affected.map(({ key }) => key);
    await this.index.remove(list, keys).catch(() => {});
  }
}
