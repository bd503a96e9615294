import { PortalAuthError } from "../errors/portal-auth-error.js";
import type { RecordStore, StoredRecord } from "../store/records.js";
import { removeSurely } from "../store/remove-surely.js";
import { untilWritten } from "../store/until-written.js";
import { inBatches } from "../util/in-batches.js";
import type { LoginRecord } from "./login-record.js";
import {
  endsLogin,
  LOGIN_IN_PROGRESS_MS,
  type Logout,
  type LogoutNotice,
  LogoutNotices,
  logoutBefore,
} from "./logout-notices.js";
import type { DecodedLogin, RecordCodec } from "./record-codec.js";
import { providerSessionList, UserLogins, userList, userOf } from "./user-logins.js";

export interface LoginsOptions {
  readonly records: RecordStore;
  readonly codec: RecordCodec;
  /** After so long a login ends, whatever happens, in seconds. */
  readonly absoluteSeconds: number;
  /** Whether logouts can name a session at the provider. */
  readonly findsBySid: boolean;
  readonly warn: (message: string) => void;
}

/** A login as it is stored. */
export interface FoundLogin {
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
export interface EndedLogins {
  readonly ended: readonly EndedLogin[];
  readonly failure?: unknown;
}

/** What a record shall become. Undefined leaves it as it is. May be called several times for one update. */
export type ChangeLogin = (record: LoginRecord) => LoginRecord | "remove" | undefined;

/** The login records of one portalAuth() in one store, and the lists and notices that belong to them. */
export class Logins {
  readonly records: RecordStore;
  readonly lists: UserLogins;
  readonly #options: LoginsOptions;
  readonly #notices: LogoutNotices;

  constructor(options: LoginsOptions) {
    this.records = options.records;
    this.#options = options;
    this.lists = new UserLogins(options.records);
    this.#notices = new LogoutNotices(options.records);
  }

  /** Resolves to undefined only if the primary has confirmed that there is no such login. */
  async read(key: string): Promise<FoundLogin | undefined> {
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
    return untilWritten(async () => {
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
    { key, stored }: FoundLogin,
    record: LoginRecord,
    next: LoginRecord | "remove",
  ): Promise<boolean> {
    if (next !== "remove") return this.records.replace(key, stored.version, this.encode(key, next));
    const removed = await this.records.remove(key, stored.version);
    if (removed) await this.unlist(key, record);
    return removed !== undefined;
  }

  /** Lists a login: before its record is written, and when its idle end has moved. */
  list(key: string, record: LoginRecord): Promise<void> {
    return this.lists.add(key, record, this.#options.findsBySid);
  }

  /**
   * Looks for logouts that came while a login was being made, after its record has been written. A login that
   * began after a logout everywhere remembers that one, so later looks need no time.
   *
   * @param requestAgeMs tells how long ago the provider was asked for the tokens, in milliseconds
   * @returns the login as it is stored then; undefined if it must not begin
   */
  async confirm(
    key: string,
    record: LoginRecord,
    requestAgeMs: () => number,
  ): Promise<LoginRecord | undefined> {
    const notices = await this.#noticesFor(record);
    const known_logout = logoutBefore(notices, record, requestAgeMs());
    const confirmed = known_logout === undefined ? record : { ...record, known_logout };
    if (notices.some((notice) => endsLogin(notice, confirmed))) return undefined;
    if (confirmed === record) return record;
    return (await this.records.replace(key, 1, this.encode(key, confirmed))) ? confirmed : undefined;
  }

  /** Returns a logout that has ended this login, but has not found its record. */
  async findMissedLogout(record: LoginRecord): Promise<Logout | undefined> {
    const notices = await this.#noticesFor(record);
    return notices.find((notice) => endsLogin(notice, record));
  }

  #noticesFor(record: LoginRecord): Promise<LogoutNotice[]> {
    const sid = record.authentication?.sid;
    const names = [userList(userOf(record))];
    if (sid !== undefined && this.#options.findsBySid) names.push(providerSessionList(record, sid));
    return this.#notices.of(names);
  }

  /** Removes a login. Resolves to what was stored last; undefined if there was none. */
  async end(key: string): Promise<EndedLogin | undefined> {
    const removed = await this.records.remove(key);
    return removed && this.#ended(key, removed);
  }

  async #ended(key: string, { text }: StoredRecord, known?: LoginRecord): Promise<EndedLogin> {
    const record = this.decode(key, text)?.record ?? known;
    if (record) await this.unlist(key, record);
    return { key, record };
  }

  /**
   * Removes a login, also if its session has got a new id since this record was read. If the answer of the
   * store was lost, resolves to this record.
   */
  async endWherever(key: string, record: LoginRecord): Promise<EndedLogin | undefined> {
    const { removed, isRepeated } = await removeSurely(this.records, key);
    if (removed) return this.#ended(key, removed, record);
    const others = await this.of(userList(userOf(record)));
    const moved = others.find(({ login }) => login?.record.login_id === record.login_id);
    if (moved) return this.end(moved.key);
    return isRepeated ? { key, record } : undefined;
  }

  /** The record is gone, so a key that stays listed does no harm and expires by itself. */
  async unlist(key: string, record: LoginRecord): Promise<void> {
    await this.lists.remove(userList(userOf(record)), [key]).catch(() => {});
  }

  /**
   * The logins of a user, by the name of the user's list. Those that cannot be decoded are among them. Others
   * may write to the store: a login of another user that the list names is omitted.
   */
  async of(list: string): Promise<FoundLogin[]> {
    const listed = await inBatches(await this.lists.of(list), (key) => this.read(key));
    const isOther = ({ record }: DecodedLogin) => userList(userOf(record)) !== list;
    return listed.filter((found) => found !== undefined).filter(({ login }) => !login || !isOther(login));
  }

  /**
   * Ends the logins of a user that a logout means, also those that are in progress. Records are removed
   * first, which needs no memory in the store. The notice may fail, and is logged then. Logins that were
   * written meanwhile are removed after it.
   */
  async endAll(list: string, isMeant: (found: FoundLogin) => boolean, logout: Logout): Promise<EndedLogins> {
    const ended: EndedLogin[] = [];
    try {
      await this.#endListed(list, isMeant, ended);
      await this.notify(list, logout);
      await this.#endListed(list, isMeant, ended);
      return { ended };
    } catch (failure) {
      return { ended, failure };
    }
  }

  /** Leaves a notice of a logout under the name of a user's list or of a provider session. */
  async notify(name: string, logout: Logout): Promise<void> {
    const isOfOneSession = "sid" in logout && logout.sid !== undefined;
    const lifeMs = isOfOneSession ? LOGIN_IN_PROGRESS_MS : this.#options.absoluteSeconds * 1000;
    await this.#notices.add(name, logout, lifeMs).catch(() => this.#options.warn(NOTICE_FAILED));
  }

  /** @param ended gets each login that was removed, also if a later one cannot be removed */
  async #endListed(
    list: string,
    isMeant: (found: FoundLogin) => boolean,
    ended: EndedLogin[],
  ): Promise<void> {
    const meant = (await this.of(list)).filter(isMeant);
    await inBatches(meant, async ({ key, login }) => {
      const { removed, isRepeated } = await removeSurely(this.records, key);
      const record = (removed && this.decode(key, removed.text)?.record) ?? login?.record;
      if (removed || isRepeated) ended.push({ key, record });
    });
    const keys = meant.map(({ key }) => key);
    await this.lists.remove(list, keys).catch(() => {});
  }
}

const NOTICE_FAILED =
  "The session store did not take the notice of a logout. Logins that were in progress at that moment may stay signed in. Look at the store: its memory may be full.";
