import { PortalAuthError } from "../errors/portal-auth-error.js";
import { onceAMinute } from "../util/once-a-minute.js";
import type { EntryStore } from "./record-store.js";

/** A store with its connection. */
export interface ConnectedStore {
  readonly store: EntryStore;
  /** Resolves when the first attempt to connect has succeeded or failed. The first requests wait for it. */
  readonly opened: Promise<void>;
  /**
   * Reads the server's settings and reports what can be lost. Resolves to undefined if this user may not read
   * them. Rejects while there is no connection.
   */
  findDurabilityRisks(): Promise<readonly DurabilityRisk[] | undefined>;
  /** Returns why there is no connection. Undefined if there is one, or if failed calls report the reason. */
  getConnectionError(): string | undefined;
  /** Resolves to the tables that are missing in the database, or to undefined if none is missing. */
  findMissingTables(): Promise<MissingTables | undefined>;
  /** Closes the connection when the application shuts down. */
  close(): Promise<void>;
}

/** A problem of the store, and its solution. */
export interface StoreProblem {
  readonly found: string;
  readonly advice: string;
}

/**
 * A setting of the server that can lose logins: when the server restarts, or when its memory is full and it
 * evicts keys.
 */
export interface DurabilityRisk extends StoreProblem {
  readonly by: "restart" | "eviction";
}

/** Tables that the store needs and the database does not have. */
export interface MissingTables {
  readonly found: string;
  /** Whether the application creates them. False if its database user may not. */
  readonly isCreatedByApp: boolean;
}

/** Loads an optional package at start-up, so that a missing package is reported then. */
export type LoadPackage = (name: string) => unknown;

/** Creates the error for an invalid store. It omits the URL, because a URL can contain a password. */
export const createInvalidStoreError = (problem: string): PortalAuthError =>
  new PortalAuthError("options_invalid", { detail: `\n  - SESSION_STORE_URL (option store) ${problem}` });

/** Returns a listener that reports connection errors, at most one per minute, without secrets. */
export function createErrorReporter(name: string, warn: (message: string) => void): (error: Error) => void {
  const report = onceAMinute(warn);
  return (error) =>
    report(`The session store on ${name}: ${describeConnectionError(error)}. Check SESSION_STORE_URL.`);
}

/**
 * Returns the code of an error and its meaning. It omits the message, because that can contain a password.
 */
export function describeConnectionError(error: Error): string {
  const code = findErrorCode(error);
  const meaning = MEANINGS[code];
  return meaning ? `${code}, ${meaning}` : code;
}

/** Redis names its errors only in the first word of the message, for example WRONGPASS, NOAUTH or LOADING. */
function findErrorCode(error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code) return code;
  // The package pg reports a timeout only in its message.
  if (/timeout|timed out/i.test(error.message)) return "ETIMEDOUT";
  return /^[A-Z]{4,}(?= )/.exec(error.message)?.[0] ?? error.constructor.name;
}

/** Error codes of Node.js, Redis and PostgreSQL (appendix A of its manual). */
const MEANINGS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "no server listens at that host and port",
  ECONNRESET: "the connection was closed",
  SocketClosedUnexpectedlyError: "the connection was closed",
  EAI_AGAIN: "the host name cannot be resolved",
  ENOTFOUND: "the host name does not exist",
  ETIMEDOUT: "the server did not respond in time",
  ConnectionTimeoutError: "the server did not respond in time",
  SocketTimeoutError: "the server did not respond in time",
  DEPTH_ZERO_SELF_SIGNED_CERT:
    "its certificate is not trusted: set NODE_EXTRA_CA_CERTS to the certificate of your CA",
  SELF_SIGNED_CERT_IN_CHAIN:
    "its certificate is not trusted: set NODE_EXTRA_CA_CERTS to the certificate of your CA",
  NOAUTH: "it requires a password",
  WRONGPASS: "the name or the password is wrong",
  NOPERM: "the user may not run the commands that sessions need",
  READONLY: "it is a replica, which does not accept writes",
  "28P01": "the password is wrong",
  "28000": "the user is rejected",
  "3D000": "the database does not exist",
  "42P01": "a session table is missing: the application creates it at start-up",
  "42501": "the user may not use the session tables, or may not create them",
};
