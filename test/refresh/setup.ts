import { expect, vi } from "vitest";
import type { TokenSet } from "../../lib/contract/tokens.js";
import { PortalAuthError } from "../../lib/errors/portal-auth-error.js";
import { emitNothing } from "../../lib/events/event-emitter.js";
import { createRefreshSingleFlight } from "../../lib/refresh/refresh-single-flight.js";
import type {
  RefreshResult,
  RefreshTask,
  SendRefresh,
  UpdatableLogin,
} from "../../lib/refresh/refresh-task.js";
import type { LoginRecord } from "../../lib/session/login-record.js";
import { Logins } from "../../lib/session/logins.js";
import { createRecordCodec } from "../../lib/session/record-codec.js";
import { createMemoryStore } from "../../lib/store/memory-store.js";
import type { RecordStore } from "../../lib/store/record-store.js";
import { loginRecord } from "../session/records.js";
import { fakeTime, settled } from "../support/fake-time.js";

export { advance, settled } from "../support/fake-time.js";

// A process is one createRefreshOnce(). Several of them share one store. Time stands still unless a test advances it.

export const ID = "s:the-session";
export const REFUSED = new PortalAuthError("refresh_refused");
/** As long as a claim lasts in these tests: 20 s for the refresh, and twice 5 s for the store. */
export const CLAIM_MS = 30_000;

/** Tokens that have expired, unless `more` says otherwise. */
export const token = (name: string, more: Partial<TokenSet> = {}): TokenSet => ({
  access_token: `access ${name}`,
  token_type: "bearer",
  refresh_token: `refresh ${name}`,
  expires_at: 0,
  ...more,
});

/** How long this process has stood still in this test, in milliseconds. */
let stoodStillMs = 0;

export function useFakeTime(): void {
  fakeTime();
  stoodStillMs = 0;
  const now = performance.now.bind(performance);
  vi.spyOn(performance, "now").mockImplementation(() => now() + stoodStillMs);
}

/** This process stands still for so long: no timer runs in between. */
export function standStill(milliseconds: number): void {
  stoodStillMs += milliseconds;
}

const OPTIONS = {
  codec: createRecordCodec([], () => {}),
  clock: () => Date.now(),
  absoluteSeconds: 86_400,
  hasProviderSessionLists: false,
  warn: () => {},
};

/** The stored login, as a process sees it that reaches the store in this way. */
export function loginIn(records: RecordStore): UpdatableLogin {
  const logins = new Logins({ ...OPTIONS, records });
  return { update: (change) => logins.update(ID, change) };
}

/** A login in a store of ours, beside what the application keeps in the session. */
export async function startLogin(tokens = token("0")) {
  const records = createMemoryStore();
  const logins = new Logins({ ...OPTIONS, records });
  const record = logins.encode(ID, loginRecord({ tokens, version: 1, obtained_at: 0 }));
  await settled(records.createEntry(ID, { cart: "book" }, record, 1000 * OPTIONS.absoluteSeconds));
  return {
    records,
    login: loginIn(records),
    looks: vi.spyOn(records, "read"),
    read: async () => (await settled(logins.read(ID)))?.login?.record,
    /** What another process writes into the stored login. */
    change: (more: Partial<LoginRecord>) => settled(logins.update(ID, (stored) => ({ ...stored, ...more }))),
    end: () => settled(logins.remove(ID)),
  };
}

/** The login as a process sees it that a test can cut off from the store, or slow down. */
export function connect(login: UpdatableLogin) {
  const update: UpdatableLogin["update"] = async (change) => {
    if (connection.isCut) throw new Error("ECONNREFUSED");
    const after = await login.update(change);
    if (connection.answersAfterMs) await new Promise((done) => setTimeout(done, connection.answersAfterMs));
    return after;
  };
  const connection = { isCut: false, answersAfterMs: 0, login: { update } };
  return connection;
}

/** A provider that answers when the test says so. */
export function createProvider() {
  const waiting: {
    resolve(renewed: RefreshResult): void;
    reject(error: unknown): void;
    with: LoginRecord;
  }[] = [];
  const renew = vi.fn<SendRefresh>(
    (stored) =>
      new Promise<RefreshResult>((resolve, reject) => void waiting.push({ resolve, reject, with: stored })),
  );
  return {
    renew,
    waiting,
    arrived: (count: number) => vi.waitFor(() => expect(waiting).toHaveLength(count)),
  };
}

export function refreshOf(
  login: UpdatableLogin,
  renew: SendRefresh,
  more: Partial<RefreshTask> = {},
): RefreshTask {
  return {
    login,
    clock: Date.now,
    maxRefreshMs: 20_000,
    hasNewTokens: ({ version }) => version > 1,
    shouldEndLogin: (error) => error === REFUSED,
    prepare: async () => renew,
    isAfterRefusal: false,
    onUnsavedTokens: () => {},
    ...more,
  };
}

/** One refresh, by a process of its own. */
export const refreshInProcess = (...given: Parameters<typeof refreshOf>): Promise<LoginRecord> =>
  createRefreshSingleFlight(emitNothing)(ID, refreshOf(...given));

export const failureOf = (work: Promise<unknown>): Promise<PortalAuthError> =>
  work.then(
    () => Promise.reject(new Error("it has succeeded")),
    (error) => error,
  );

/** Whether the work has ended, and after how many milliseconds. */
export function timeOf(work: Promise<unknown>) {
  const began = performance.now();
  const time: { tookMs: number | undefined } = { tookMs: undefined };
  const done = () => {
    time.tookMs = performance.now() - began;
  };
  work.then(done, done);
  return time;
}
