import { randomBytes } from "node:crypto";
import type {
  Failed,
  LoginFailed,
  LoginFinished,
  LoginStarted,
  PortalAuthEvent,
} from "../contract/events.js";
import {
  errorDefinitions,
  isExpectedOutcome,
  type PortalAuthErrorCode,
} from "../errors/portal-auth-error.js";
import type { EventListeners } from "../events/subscribe-to-events.js";
import { keepNewest } from "../util/bounded-map.js";
import type {
  FailureRecord,
  InspectorRecord,
  LoginAttemptRecord,
  OtherInspectorRecord,
  RefreshRecord,
} from "./inspector-records.js";

const LIMITS = { logins: 50, others: 200 } as const;
const MAX_REQUEST_IDS = 5;
/** Of what was seen: some of it is what strangers have sent. */
const MAX_DETAIL_LENGTH = 600;

export interface EventLogUpdate {
  /** Names this notebook: another one has seen nothing of what this one has. */
  readonly notebook: string;
  readonly now: number;
  readonly last: number;
  readonly limits: typeof LIMITS;
  readonly records: readonly InspectorRecord[];
}

/** Writes down what is told: the newest logins, and the newest of everything else. */
export interface EventLog {
  readonly listeners: EventListeners;
  /** What has changed since; everything for who has read another notebook. */
  getUpdate(seen: { readonly notebook?: unknown; readonly after?: unknown }): EventLogUpdate;
  clear(): void;
}

export function createEventLog(): EventLog {
  const notebook = randomBytes(6).toString("hex");
  const logins = new Map<string, LoginAttemptRecord>();
  const others = new Map<string, OtherInspectorRecord>();
  let last = 0;
  /** A login that has just failed: what to do comes with the failure that is told next. */
  let lastFailedLogin: LoginAttemptRecord | undefined;

  const nextNumber = () => {
    last += 1;
    return last;
  };
  const saveLogin = (record: LoginAttemptRecord) => {
    record.n = nextNumber();
    keepNewest(logins, record.id, record, LIMITS.logins);
  };
  const saveOther = (record: OtherInspectorRecord) => {
    record.n = nextNumber();
    keepNewest(others, record.id, record, LIMITS.others);
  };

  function takeLogin(event: LoginStarted | LoginFinished | LoginFailed): LoginAttemptRecord {
    const id = `login ${event.login === undefined ? `unknown ${nextNumber()}` : createRecordKey(event, event.login)}`;
    const since = "since_started" in event ? event.since_started : 0;
    const started_at = since === undefined ? undefined : event.at - since;
    const record = logins.get(id) ?? {
      kind: "login",
      id,
      n: 0,
      at: event.at,
      instance: event.instance,
      state: "at_portal",
      started_at,
      steps: [],
    };
    if ("steps" in event) {
      const { since_started, took, steps } = event;
      Object.assign(record, { since_started, took, steps, state: "code" in event ? "failed" : "finished" });
      delete record.failure;
    }
    saveLogin(record);
    return record;
  }

  function failLogin(event: LoginFailed): void {
    const { code, status } = event;
    lastFailedLogin = takeLogin(event);
    const hint = findHint(code);
    lastFailedLogin.failure = {
      code,
      ordinary: isExpectedOutcome(code),
      status,
      hint,
      detail: undefined,
      request_id: undefined,
    };
  }

  function takeFailure(event: Failed): void {
    const { at, instance, code, status, hint, request_id } = event;
    const detail = event.detail?.slice(0, MAX_DETAIL_LENGTH);
    if (lastFailedLogin?.failure?.code === code && lastFailedLogin.instance === instance) {
      lastFailedLogin.failure = { code, ordinary: isExpectedOutcome(code), status, hint, detail, request_id };
      saveLogin(lastFailedLogin);
    }
    lastFailedLogin = undefined;
    const id = `failure ${createRecordKey(event, code)} ${detail ?? ""}`;
    const before = others.get(id) as FailureRecord | undefined;
    const record: FailureRecord = before ?? {
      kind: "failure",
      id,
      n: 0,
      at,
      instance,
      code,
      status,
      hint,
      detail,
      count: 0,
      last_at: at,
      request_ids: [],
    };
    record.count += 1;
    record.last_at = at;
    if (request_id !== undefined)
      record.request_ids = [request_id, ...record.request_ids].slice(0, MAX_REQUEST_IDS);
    saveOther(record);
  }

  /** The numbers of refreshes begin anew with each portalAuth(): a second end belongs to another one. */
  function refreshOf(event: PortalAuthEvent & { readonly refresh: number }, isEnd: boolean): RefreshRecord {
    const { at, instance, refresh } = event;
    const name = `refresh ${createRecordKey(event, refresh)} #`;
    const before = [...others.values()].findLast(({ id }) => id.startsWith(name)) as
      | RefreshRecord
      | undefined;
    if (before && !(isEnd && before.state !== "under_way")) return before;
    const id = `${name}${nextNumber()}`;
    return { kind: "refresh", id, n: 0, at, instance, refresh, state: "under_way", joined: 0 };
  }

  const listeners: Required<EventListeners> = {
    "login.started": (event) => void takeLogin(event),
    "login.finished": (event) => void takeLogin(event),
    "login.failed": failLogin,
    failed: takeFailure,
    "refresh.joined": (event) => {
      const record = refreshOf(event, false);
      record.joined += 1;
      saveOther(record);
    },
    "lock.waited": (event) => {
      const { waited, renewed } = event;
      saveOther(
        Object.assign(refreshOf(event, renewed), { waited, ...(renewed && { state: "elsewhere" as const }) }),
      );
    },
    "refresh.done": (event) => {
      const { took, rotated } = event;
      saveOther(Object.assign(refreshOf(event, true), { state: "done" as const, took, rotated }));
    },
    "refresh.failed": (event) => {
      const { took, code, ends_session } = event;
      saveOther(
        Object.assign(refreshOf(event, true), { state: "failed" as const, took, code, ends_session }),
      );
    },
    logout: ({ at, instance, had_login, at_portal }) =>
      saveOther({ kind: "logout", id: `logout ${last}`, n: 0, at, instance, had_login, at_portal }),
    "session.refused": ({ at, instance, reason }) =>
      saveOther({ kind: "session_refused", id: `refused ${last}`, n: 0, at, instance, reason }),
  };
  function since({ notebook: read, after }: { notebook?: unknown; after?: unknown }): EventLogUpdate {
    const seen = read === notebook ? Number(after) || 0 : 0;
    const records = [...logins.values(), ...others.values()]
      .filter(({ n }) => n > seen)
      .sort((a, b) => a.n - b.n);
    return { notebook, now: Date.now(), last, limits: LIMITS, records };
  }

  function clear(): void {
    logins.clear();
    others.clear();
    lastFailedLogin = undefined;
  }

  return { listeners, getUpdate: since, clear };
}

/** "" for a code that is not known here: another version of this package may be in the process, and tell of its own. */
const findHint = (code: string): string =>
  Object.hasOwn(errorDefinitions, code) ? errorDefinitions[code as PortalAuthErrorCode].hint : "";

/** Several portalAuth() may give the same name to different things. */
const createRecordKey = ({ instance, issuer, client_id }: PortalAuthEvent, name: string | number): string =>
  JSON.stringify([instance, issuer, client_id, name]);
