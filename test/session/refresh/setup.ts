import session from "express-session";
import { expect, onTestFinished, vi } from "vitest";
import { PortalAuthError } from "../../../lib/errors.js";
import { tellNobody } from "../../../lib/events.js";
import { Keeper } from "../../../lib/session/keeper.js";
import { MemoryStore } from "../../../lib/session/memory-store.js";
import type { Refresh, Renew, Renewed } from "../../../lib/session/refresh/refresh.js";
import { createRefreshOnce } from "../../../lib/session/refresh/refresh-once.js";
import { KeptPortalSession, type PortalSession } from "../../../lib/session/stored.js";
import { storedLogin } from "../../../lib/session/stored-login.js";
import type { TokenSet } from "../../../lib/tokens.js";

// A process is one createRefreshOnce(). Several of them share one store. Time stands still unless a test advances it.

export const ID = "the-session";
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

const STORED: PortalSession = {
  tokens: token("0"),
  claims: { sub: "amara" },
  started_at: 0,
  issuer: "https://portal.example",
  client_id: "app",
  redirect_uri: "https://app.example/callback",
  version: 1,
  obtained_at: 0,
};

/** How long this process has stood still in this test, in milliseconds. */
let stoodStillMs = 0;

export function useFakeTime(): void {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  stoodStillMs = 0;
  const now = performance.now.bind(performance);
  vi.spyOn(performance, "now").mockImplementation(() => now() + stoodStillMs);
}

/** This process stands still for so long: no timer runs in between. */
export function standStill(milliseconds: number): void {
  stoodStillMs += milliseconds;
}

const OPTIONS = { clock: Date.now, lock: undefined, limits: undefined, warn: () => {} };

export async function startSession(tokens = token("0")) {
  const store = new MemoryStore();
  const get = vi.spyOn(store, "get");
  const keeper = new Keeper(store, OPTIONS);
  const portal = new KeptPortalSession({ ...STORED, tokens });
  const data = { cookie: new session.Cookie(), portal, cart: "book" };
  await settled(new Promise<void>((done) => store.set(ID, data as never, () => done())));
  const read = () => settled(keeper.read(ID));
  /** What another process writes into the stored login. */
  const change = (more: Partial<PortalSession>) =>
    settled(keeper.update(ID, (stored) => ({ ...stored, portal: { ...(stored.portal as PortalSession), ...more } })));
  return { store, get, keeper, read, change };
}

/** A keeper of a process of its own, which a test can cut off from the store, or slow down. */
export function connect(keeper: Keeper) {
  const connection = { isCut: false, answersAfterMs: 0 };
  const update: Keeper["update"] = async (...given) => {
    if (connection.isCut) throw new Error("ECONNREFUSED");
    const after = await keeper.update(...given);
    if (connection.answersAfterMs) await new Promise((done) => setTimeout(done, connection.answersAfterMs));
    return after;
  };
  const own = { open: keeper.open.bind(keeper), read: keeper.read.bind(keeper), mayCollide: () => false, update };
  return Object.assign(connection, { keeper: own as unknown as Keeper });
}

const immediate = setImmediate; // before it is replaced

/** Advances time in small steps, so that what begins in one step is done before the next. */
export async function advance(milliseconds: number): Promise<void> {
  for (let gone = 0; gone < milliseconds; gone += 50) {
    await vi.advanceTimersByTimeAsync(Math.min(50, milliseconds - gone));
    await new Promise((resolve) => immediate(resolve));
  }
}

/** Runs the timers that are due, and no others, until the work is done. */
export async function settled<T>(work: Promise<T>): Promise<T> {
  let isDone = false;
  const done = () => {
    isDone = true;
  };
  work.then(done, done);
  while (!isDone) await vi.advanceTimersByTimeAsync(0);
  return work;
}

/** A provider that answers when the test says so. */
export function createProvider() {
  const waiting: { resolve(renewed: Renewed): void; reject(error: unknown): void; with: PortalSession }[] = [];
  const renew = vi.fn<Renew>(
    (stored) => new Promise<Renewed>((resolve, reject) => void waiting.push({ resolve, reject, with: stored })),
  );
  return { renew, waiting, arrived: (count: number) => vi.waitFor(() => expect(waiting).toHaveLength(count)) };
}

export function refreshOf(keeper: Keeper, renew: Renew, more: Partial<Refresh> = {}): Refresh {
  return {
    login: storedLogin({ id: ID, keeper }),
    clock: Date.now,
    renewAtMostMs: 20_000,
    isEnough: ({ version }) => version > 1,
    endsSession: (error) => error === REFUSED,
    prepare: async () => renew,
    afterRefusal: false,
    onOrphan: () => {},
    ...more,
  };
}

/** One refresh, by a process of its own. */
export const refreshInProcess = (...given: Parameters<typeof refreshOf>): Promise<PortalSession> =>
  createRefreshOnce(tellNobody)(ID, refreshOf(...given));

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
