import { randomBytes } from "node:crypto";
import type {
  Failed,
  LoginFailed,
  LoginFinished,
  LoginStarted,
  PortalAuthEvent,
} from "../contract/events.js";
import { failures, isOrdinary, type PortalAuthErrorCode } from "../errors/portal-auth-error.js";
import type { Listeners } from "../events/subscribe-to-events.js";
import { keepNewest } from "../util/bounded-map.js";
import type { AnyRecord, FailureRecord, LoginRecord, OtherRecord, RefreshRecord } from "./records.js";

const LIMITS = { logins: 50, others: 200 } as const;
const REQUEST_IDS = 5;
/** Of what was seen: some of it is what strangers have sent. */
const DETAIL_LENGTH = 600;

export interface News {
  /** Names this notebook: another one has seen nothing of what this one has. */
  readonly notebook: string;
  readonly now: number;
  readonly last: number;
  readonly limits: typeof LIMITS;
  readonly records: readonly AnyRecord[];
}

/** Writes down what is told: the newest logins, and the newest of everything else. */
export interface Notebook {
  readonly listeners: Listeners;
  /** What has changed since; everything for who has read another notebook. */
  since(seen: { readonly notebook?: unknown; readonly after?: unknown }): News;
  clear(): void;
}

export function createNotebook(): Notebook {
  const notebook = randomBytes(6).toString("hex");
  const logins = new Map<string, LoginRecord>();
  const others = new Map<string, OtherRecord>();
  let last = 0;
  /** A login that has just failed: what to do comes with the failure that is told next. */
  let unexplained: LoginRecord | undefined;

  const nextNumber = () => {
    last += 1;
    return last;
  };
  const keepLogin = (record: LoginRecord) => {
    record.n = nextNumber();
    keepNewest(logins, record.id, record, LIMITS.logins);
  };
  const keepOther = (record: OtherRecord) => {
    record.n = nextNumber();
    keepNewest(others, record.id, record, LIMITS.others);
  };

  function takeLogin(event: LoginStarted | LoginFinished | LoginFailed): LoginRecord {
    const id = `login ${event.login === undefined ? `unknown ${nextNumber()}` : whose(event, event.login)}`;
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
    keepLogin(record);
    return record;
  }

  function failLogin(event: LoginFailed): void {
    const { code, status } = event;
    unexplained = takeLogin(event);
    const hint = hintOf(code);
    unexplained.failure = {
      code,
      ordinary: isOrdinary(code),
      status,
      hint,
      detail: undefined,
      request_id: undefined,
    };
  }

  function takeFailure(event: Failed): void {
    const { at, instance, code, status, hint, request_id } = event;
    const detail = event.detail?.slice(0, DETAIL_LENGTH);
    if (unexplained?.failure?.code === code && unexplained.instance === instance) {
      unexplained.failure = { code, ordinary: isOrdinary(code), status, hint, detail, request_id };
      keepLogin(unexplained);
    }
    unexplained = undefined;
    const id = `failure ${whose(event, code)} ${detail ?? ""}`;
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
      record.request_ids = [request_id, ...record.request_ids].slice(0, REQUEST_IDS);
    keepOther(record);
  }

  /** The numbers of refreshes begin anew with each portalAuth(): a second end belongs to another one. */
  function refreshOf(event: PortalAuthEvent & { readonly refresh: number }, isEnd: boolean): RefreshRecord {
    const { at, instance, refresh } = event;
    const name = `refresh ${whose(event, refresh)} #`;
    const before = [...others.values()].findLast(({ id }) => id.startsWith(name)) as
      | RefreshRecord
      | undefined;
    if (before && !(isEnd && before.state !== "under_way")) return before;
    const id = `${name}${nextNumber()}`;
    return { kind: "refresh", id, n: 0, at, instance, refresh, state: "under_way", joined: 0 };
  }

  const listeners: Required<Listeners> = {
    "login.started": (event) => void takeLogin(event),
    "login.finished": (event) => void takeLogin(event),
    "login.failed": failLogin,
    failed: takeFailure,
    "refresh.joined": (event) => {
      const record = refreshOf(event, false);
      record.joined += 1;
      keepOther(record);
    },
    "lock.waited": (event) => {
      const { waited, renewed } = event;
      keepOther(
        Object.assign(refreshOf(event, renewed), { waited, ...(renewed && { state: "elsewhere" as const }) }),
      );
    },
    "refresh.done": (event) => {
      const { took, rotated } = event;
      keepOther(Object.assign(refreshOf(event, true), { state: "done" as const, took, rotated }));
    },
    "refresh.failed": (event) => {
      const { took, code, ends_session } = event;
      keepOther(
        Object.assign(refreshOf(event, true), { state: "failed" as const, took, code, ends_session }),
      );
    },
    logout: ({ at, instance, had_login, at_portal }) =>
      keepOther({ kind: "logout", id: `logout ${last}`, n: 0, at, instance, had_login, at_portal }),
    "session.refused": ({ at, instance, reason }) =>
      keepOther({ kind: "session_refused", id: `refused ${last}`, n: 0, at, instance, reason }),
  };
  function since({ notebook: read, after }: { notebook?: unknown; after?: unknown }): News {
    const seen = read === notebook ? Number(after) || 0 : 0;
    const records = [...logins.values(), ...others.values()]
      .filter(({ n }) => n > seen)
      .sort((a, b) => a.n - b.n);
    return { notebook, now: Date.now(), last, limits: LIMITS, records };
  }

  function clear(): void {
    logins.clear();
    others.clear();
    unexplained = undefined;
  }

  return { listeners, since, clear };
}

/** "" for a code that is not known here: another version of this package may be in the process, and tell of its own. */
const hintOf = (code: string): string =>
  Object.hasOwn(failures, code) ? failures[code as PortalAuthErrorCode].hint : "";

/** Several portalAuth() may give the same name to different things. */
const whose = ({ instance, issuer, client_id }: PortalAuthEvent, name: string | number): string =>
  JSON.stringify([instance, issuer, client_id, name]);
