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

export interface LoginsOptions {
  readonly records: RecordStore;
  readonly codec: RecordCodec;
  /** After so long a login ends, whatever happens, in seconds. */
  readonly absoluteSeconds: number;
  /** Whether logouts can name a session at the provider. */
  readonly hasProviderSessionLists: boolean;
  readonly warn: (message: string) => void;
}

/** A login as it is stored. */
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

/** The logins that a logout has ended. `failure` says why others may still be there. */
export interface EndLoginsResult {
  readonly ended: readonly EndedLogin[];
  readonly failure?: unknown;
}

/** What a record shall become. Undefined leaves it as it is. May be called several times for one update. */
export type ChangeLogin = (record: LoginRecord) => LoginRecord | "remove" | undefined;

/** The login records of one portalAuth() in one store, and the lists and notices that belong to them. */
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

  /** Resolves to undefined only if the primary has confirmed that there is no such login. */
  async read(key: string): Promise<LoadedLogin | undefined> {
    const stored = await this.records.read(key);
    return stored && { key, stored, login: this.decode(key, stored.text) };
  }

  decode(key: string, text: string): DecodedLogin | undefined {
    return this.#options.codec.decode(key, text);
  }

  encode(key: string, record: LoginRecord): string {
    return this.#options.codec.encode(key, record);
  }

  /**
   * Reads a login, changes it and writes it, with no other write in between.
   *
   * @returns the login as it is stored then; undefined if it has ended
   * @throws PortalAuthError `session_store_failed`, also for a record that cannot be decoded here: the login
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

  /** Lists a login: before its record is written, and when its idle end has moved. */
  addToIndex(key: string, record: LoginRecord): Promise<void> {
    return this.index.add(key, record, this.#options.hasProviderSessionLists);
  }

  /**
   * Looks for logouts that came while a login was being made, after its record has been written. A login that
   * began after a logout everywhere remembers that one, so later looks need no time.
   *
   * @param getRequestAgeMs tells how long ago the provider was asked for the tokens, in milliseconds
   * @returns the login as it is stored then; undefined if it must not begin
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

  /** Returns a logout that has ended this login, but has not found its record. */
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

  /** Removes a login. Resolves to what was stored last; undefined if there was none. */
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
   * Removes a login, also if its session has got a new id since this record was read. If the answer of the
   * store was lost, resolves to this record.
   */
  async removeEvenIfMoved(key: string, record: LoginRecord): Promise<EndedLogin | undefined> {
    const { removed, isRepeated } = await removeWithRetry(this.records, key);
    if (removed) return this.#toEndedLogin(key, removed, record);
    const others = await this.listByUser(getUserListName(getUser(record)));
    const moved = others.find(({ login }) => login?.record.login_id === record.login_id);
    if (moved) return this.remove(moved.key);
    return isRepeated ? { key, record } : undefined;
  }

  /** The record is gone, so a key that stays listed does no harm and expires by itself. */
  async removeFromIndex(key: string, record: LoginRecord): Promise<void> {
    await this.index.remove(getUserListName(getUser(record)), [key]).catch(() => {});
  }

  /**
   * The logins of a user, by the name of the user's list. Those that cannot be decoded are among them. Others
   * may write to the store: a login of another user that the list names is omitted.
   */
  async listByUser(list: string): Promise<LoadedLogin[]> {
    const listed = await inBatches(await this.index.listKeys(list), (key) => this.read(key));
    const isOther = ({ record }: DecodedLogin) => getUserListName(getUser(record)) !== list;
    return listed.filter((found) => found !== undefined).filter(({ login }) => !login || !isOther(login));
  }

  /**
   * Ends the logins of a user that a logout means, also those that are in progress. Records are removed
   * first, which needs no memory in the store. The notice may fail, and is logged then. Logins that were
   * written meanwhile are removed after it.
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

  /** Leaves a notice of a logout under the name of a user's list or of a provider session. */
  async addNotice(name: string, logout: Logout): Promise<void> {
    const isOfOneSession = "sid" in logout && logout.sid !== undefined;
    const lifeMs = isOfOneSession ? LOGIN_IN_PROGRESS_MS : this.#options.absoluteSeconds * 1000;
    await this.#notices.add(name, logout, lifeMs).catch(() => this.#options.warn(NOTICE_FAILED_WARNING));
  }

  /** @param ended gets each login that was removed, also if a later one cannot be removed */
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

const NOTICE_FAILED_WARNING =
  "The session store did not take the notice of a logout. Logins that were in progress at that moment may stay signed in. Look at the store: its memory may be full.";
