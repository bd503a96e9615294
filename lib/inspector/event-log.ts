import { randomBytes } from "node:crypto";
import type {
  Failed,
  LoggedOut,
  LoginFailed,
  LoginFinished,
  LoginStarted,
  PortalAuthEvent,
  SessionRejected,
} from "../contract/events.js";
import { errorDefinitions, isExpectedOutcome, type PortalAuthErrorCode } from "../errors/error-codes.js";
import type { EventListeners } from "../events/subscribe-to-events.js";
import { BoundedMap } from "../util/bounded-map.js";
import type {
  FailureRecord,
  InspectorRecord,
  LoginAttemptRecord,
  LoginFailure,
  OtherInspectorRecord,
  RefreshRecord,
} from "./inspector-records.js";

const LIMITS = { logins: 50, others: 200 } as const;
const MAX_REQUEST_IDS = 5;
/** A detail may contain text that an attacker sent, so its length has a limit. */
const MAX_DETAIL_LENGTH = 600;

/** The changes that a page gets. */
export interface EventLogUpdate {
  /** Identifies this log. A page that has read another one gets everything. */
  readonly log_id: string;
  readonly now: number;
  readonly last: number;
  readonly limits: typeof LIMITS;
  readonly records: readonly InspectorRecord[];
}

type RefreshEvent = PortalAuthEvent & { readonly refresh: number };

/** Records events in memory: the latest logins, and the latest of all other events. */
export class EventLog {
  readonly #logId = randomBytes(6).toString("hex");
  readonly #logins = new BoundedMap<string, LoginAttemptRecord>(LIMITS.logins);
  readonly #others = new BoundedMap<string, OtherInspectorRecord>(LIMITS.others);
  #lastSequence = 0;
  /** A login that has just failed. The `failed` event that follows has its hint and detail. */
  #lastFailedLogin: LoginAttemptRecord | undefined;

  readonly listeners: Required<EventListeners> = {
    "login.started": (event) => this.#recordLogin(event),
    "login.finished": (event) => this.#recordLogin(event),
    "login.failed": (event) => this.#recordFailedLogin(event),
    failed: (event) => this.#recordFailure(event),
    "refresh.joined": (event) => {
      const record = this.#findOrCreateRefresh(event);
      record.joined += 1;
      this.#saveOther(record);
    },
    "lock.waited": (event) => {
      const { waited, refreshed } = event;
      const record = refreshed ? this.#findOrCreateRunningRefresh(event) : this.#findOrCreateRefresh(event);
      this.#saveOther(
        Object.assign(record, refreshed ? { waited, state: "elsewhere" as const } : { waited }),
      );
    },
    "refresh.done": (event) => {
      const { took, rotated } = event;
      const record = this.#findOrCreateRunningRefresh(event);
      this.#saveOther(Object.assign(record, { state: "done" as const, took, rotated }));
    },
    "refresh.failed": (event) => {
      const { took, code, ends_session } = event;
      const record = this.#findOrCreateRunningRefresh(event);
      this.#saveOther(Object.assign(record, { state: "failed" as const, took, code, ends_session }));
    },
    logout: (event) => this.#recordLogout(event),
    "session.rejected": (event) => this.#recordRejectedSession(event),
  };

  /**
   * Returns the records that have changed after a sequence number; all records if the page has read another
   * log.
   */
  getUpdate(seen: { readonly log_id?: unknown; readonly after?: unknown }): EventLogUpdate {
    const after = seen.log_id === this.#logId ? Number(seen.after) || 0 : 0;
    const records = [...this.#logins.values(), ...this.#others.values()]
      .filter(({ sequence }) => sequence > after)
      .sort((a, b) => a.sequence - b.sequence);
    return { log_id: this.#logId, now: Date.now(), last: this.#lastSequence, limits: LIMITS, records };
  }

  /** Removes all records. */
  clear(): void {
    this.#logins.clear();
    this.#others.clear();
    this.#lastFailedLogin = undefined;
  }

  #nextSequence(): number {
    this.#lastSequence += 1;
    return this.#lastSequence;
  }

  #saveLogin(record: LoginAttemptRecord): void {
    record.sequence = this.#nextSequence();
    this.#logins.set(record.id, record);
  }

  #saveOther(record: OtherInspectorRecord): void {
    record.sequence = this.#nextSequence();
    this.#others.set(record.id, record);
  }

  #recordLogin(
    event: LoginStarted | LoginFinished | LoginFailed,
    failure?: LoginFailure,
  ): LoginAttemptRecord {
    const { at, instance, login } = event;
    const key = login === undefined ? `unknown ${this.#nextSequence()}` : createRecordKey(event, login);
    const id = `login ${key}`;
    const record =
      this.#logins.get(id) ?? createLoginRecord(id, { at, instance, started_at: getStart(event) });
    if ("steps" in event) {
      const { since_started, took, steps } = event;
      Object.assign(record, { since_started, took, steps, state: failure ? "failed" : "finished" });
      delete record.failure;
      if (failure) record.failure = failure;
    }
    this.#saveLogin(record);
    return record;
  }

  #recordFailedLogin(event: LoginFailed): void {
    const { code, status } = event;
    this.#lastFailedLogin = this.#recordLogin(event, {
      code,
      ordinary: isExpectedOutcome(code),
      status,
      hint: findHint(code),
      detail: undefined,
      request_id: undefined,
    });
  }

  #recordFailure(event: Failed): void {
    const { code, request_id } = event;
    const detail = event.detail?.slice(0, MAX_DETAIL_LENGTH);
    this.#explainLastLogin(event, detail);
    const id = `failure ${createRecordKey(event, code)} ${detail ?? ""}`;
    const found = this.#others.get(id) as FailureRecord | undefined;
    const record = found ?? createFailureRecord(id, event, detail);
    record.count += 1;
    record.last_at = event.at;
    if (request_id !== undefined)
      record.request_ids = [request_id, ...record.request_ids].slice(0, MAX_REQUEST_IDS);
    this.#saveOther(record);
  }

  /** Adds hint and detail to the login that has just failed, if this failure is its own. */
  #explainLastLogin({ code, instance, status, hint, request_id }: Failed, detail: string | undefined): void {
    const login = this.#lastFailedLogin;
    this.#lastFailedLogin = undefined;
    if (login?.failure?.code !== code || login.instance !== instance) return;
    login.failure = { code, ordinary: isExpectedOutcome(code), status, hint, detail, request_id };
    this.#saveLogin(login);
  }

  #findRefresh(event: RefreshEvent): RefreshRecord | undefined {
    const prefix = createRefreshPrefix(event);
    const records = [...this.#others.values()];
    return records.findLast(({ id }) => id.startsWith(prefix)) as RefreshRecord | undefined;
  }

  #findOrCreateRefresh(event: RefreshEvent): RefreshRecord {
    return this.#findRefresh(event) ?? this.#createRefresh(event);
  }

  /**
   * Each portalAuth() counts its refreshes from 1, so a second end of the same number belongs to another
   * refresh.
   */
  #findOrCreateRunningRefresh(event: RefreshEvent): RefreshRecord {
    const found = this.#findRefresh(event);
    return found?.state === "under_way" ? found : this.#createRefresh(event);
  }

  #createRefresh(event: RefreshEvent): RefreshRecord {
    const { at, instance, refresh } = event;
    const id = `${createRefreshPrefix(event)}${this.#nextSequence()}`;
    return { kind: "refresh", id, sequence: 0, at, instance, refresh, state: "under_way", joined: 0 };
  }

  #recordLogout({ at, instance, had_login, at_provider }: LoggedOut): void {
    const id = `logout ${this.#lastSequence}`;
    this.#saveOther({ kind: "logout", id, sequence: 0, at, instance, had_login, at_provider });
  }

  #recordRejectedSession({ at, instance, reason }: SessionRejected): void {
    const id = `refused ${this.#lastSequence}`;
    this.#saveOther({ kind: "session_refused", id, sequence: 0, at, instance, reason });
  }
}

type LoginStart = Pick<LoginAttemptRecord, "at" | "instance" | "started_at">;

const createLoginRecord = (id: string, start: LoginStart): LoginAttemptRecord => ({
  kind: "login",
  id,
  sequence: 0,
  ...start,
  state: "at_provider",
  steps: [],
});

/** Returns when the browser was redirected to the provider; undefined if the attempt is unknown. */
function getStart(event: LoginStarted | LoginFinished | LoginFailed): number | undefined {
  const since = "since_started" in event ? event.since_started : 0;
  return since === undefined ? undefined : event.at - since;
}

const createFailureRecord = (
  id: string,
  { at, instance, code, status, hint }: Failed,
  detail: string | undefined,
): FailureRecord => ({
  kind: "failure",
  id,
  sequence: 0,
  at,
  instance,
  code,
  status,
  hint,
  detail,
  count: 0,
  last_at: at,
  request_ids: [],
});

/**
 * Returns "" for an unknown code: another version of this package in the same process may emit codes of its
 * own.
 */
const findHint = (code: string): string =>
  Object.hasOwn(errorDefinitions, code) ? errorDefinitions[code as PortalAuthErrorCode].hint : "";

const createRefreshPrefix = (event: RefreshEvent): string =>
  `refresh ${createRecordKey(event, event.refresh)} #`;

/**
 * Several portalAuth() may use the same name for different things, so the key contains all that identifies
 * them.
 */
const createRecordKey = ({ instance, issuer, client_id }: PortalAuthEvent, name: string | number): string =>
  JSON.stringify([instance, issuer, client_id, name]);
