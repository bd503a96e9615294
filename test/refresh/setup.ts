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

// Each createRefreshSingleFlight() is one process. Several of them share a store. Only tests advance time.

export const ID = "s:the-session";
export const REFUSED = new PortalAuthError("refresh_refused");
/** The lifetime of a claim in these tests: 20 s for the refresh, and twice 5 s for the store. */
export const CLAIM_MS = 30_000;

/** Creates tokens. They have expired, unless `changes` contains another `expires_at`. */
export const createTokens = (name: string, changes: Partial<TokenSet> = {}): TokenSet => ({
  access_token: `access ${name}`,
  token_type: "bearer",
  refresh_token: `refresh ${name}`,
  expires_at: 0,
  ...changes,
});

/** The sum of all stalls of this process in this test. */
let stalledMs = 0;

/** Replaces all timers. `stall` can also stop this process. */
export function useFakeTime(): void {
  fakeTime();
  stalledMs = 0;
  const now = performance.now.bind(performance);
  vi.spyOn(performance, "now").mockImplementation(() => now() + stalledMs);
}

/** Stops this process for some time. Meanwhile no timer runs. */
export function stall(milliseconds: number): void {
  stalledMs += milliseconds;
}

const OPTIONS = {
  codec: createRecordCodec([], () => {}),
  clock: () => Date.now(),
  absoluteSeconds: 86_400,
  hasProviderSessionLists: false,
  warn: () => {},
};

/** Returns access to the stored login via these records. */
export function openLogin(records: RecordStore): UpdatableLogin {
  const logins = new Logins({ ...OPTIONS, records });
  return { update: (change) => logins.update(ID, change) };
}

/** Creates a store with a session that has a login. */
export async function startLogin(tokens = createTokens("0")) {
  const records = createMemoryStore();
  const logins = new Logins({ ...OPTIONS, records });
  const record = logins.encode(ID, loginRecord({ tokens, version: 1, obtained_at: 0 }));
  await settled(records.createEntry(ID, { cart: "book" }, record, 1000 * OPTIONS.absoluteSeconds));
  return {
    records,
    login: openLogin(records),
    readSpy: vi.spyOn(records, "read"),
    read: async () => (await settled(logins.read(ID)))?.login?.record,
    /** Changes the stored login, as another process would. */
    change: (changes: Partial<LoginRecord>) =>
      settled(logins.update(ID, (stored) => ({ ...stored, ...changes }))),
    end: () => settled(logins.remove(ID)),
  };
}

/** Creates a connection to the store that a test can interrupt or delay. */
export function createConnection(login: UpdatableLogin) {
  const update: UpdatableLogin["update"] = async (change) => {
    if (connection.isDown) throw new Error("ECONNREFUSED");
    const updated = await login.update(change);
    if (connection.responseDelayMs) await new Promise((done) => setTimeout(done, connection.responseDelayMs));
    return updated;
  };
  const connection = { isDown: false, responseDelayMs: 0, login: { update } };
  return connection;
}

/** Creates a provider. The test sends its responses. */
export function createProvider() {
  const pending: {
    resolve(result: RefreshResult): void;
    reject(error: unknown): void;
    login: LoginRecord;
  }[] = [];
  const sendRefresh = vi.fn<SendRefresh>(
    (login) =>
      new Promise<RefreshResult>((resolve, reject) => {
        pending.push({ resolve, reject, login });
      }),
  );
  return {
    sendRefresh,
    pending,
    waitForRequests: (count: number) => vi.waitFor(() => expect(pending).toHaveLength(count)),
  };
}

export function createTask(
  login: UpdatableLogin,
  sendRefresh: SendRefresh,
  changes: Partial<RefreshTask> = {},
): RefreshTask {
  return {
    login,
    clock: Date.now,
    maxRefreshMs: 20_000,
    hasNewTokens: ({ version }) => version > 1,
    shouldEndLogin: (error) => error === REFUSED,
    prepare: async () => sendRefresh,
    isAfterRejection: false,
    onUnsavedTokens: () => {},
    ...changes,
  };
}

/** Refreshes the login in a new process. */
export const refreshInNewProcess = (...args: Parameters<typeof createTask>): Promise<LoginRecord> =>
  createRefreshSingleFlight(emitNothing)(ID, createTask(...args));

/** Resolves to the error of work that must fail. */
export const getFailure = (work: Promise<unknown>): Promise<PortalAuthError> =>
  work.then(
    () => Promise.reject(new Error("The work must fail.")),
    (error) => error,
  );

/** Measures the duration of some work. It is undefined until the work has ended. */
export function measure(work: Promise<unknown>) {
  const startedAt = performance.now();
  const time: { tookMs: number | undefined } = { tookMs: undefined };
  const done = () => {
    time.tookMs = performance.now() - startedAt;
  };
  work.then(done, done);
  return time;
}
