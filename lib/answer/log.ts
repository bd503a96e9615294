import { randomBytes } from "node:crypto";
import { type Tell, tellNobody } from "../contract/events.js";
import type { Logger } from "../contract/logger.js";
import { isOrdinary, PortalAuthError } from "../errors/portal-auth-error.js";
import { describeError } from "../errors/redact.js";
import { oneLine } from "../util/to-single-line.js";

/** Where our few lines go, and our events. */
export interface Log {
  warn(line: string, fields?: object): void;
  error(line: string, fields?: object): void;
  readonly tell: Tell;
}

const COMPONENT = "express-portal-auth";

export function createLog(write: Write | undefined, tell: Tell): Log {
  if (!write) return { ...consoleLog, tell };
  return {
    warn: (line, fields) => write("warn", { component: COMPONENT, ...fields }, oneLine(line)),
    error: (line, fields) => write("error", { component: COMPONENT, ...fields }, oneLine(line)),
    tell,
  };
}

/** Writes to a logger of the application's. */
export type Write = (level: "warn" | "error" | "debug", fields: object, line: string) => void;

/** A logger that fails harms nobody's login: that is told on the console, once. */
export function carefully(logger: Logger): Write {
  let isTold = false;
  const failed = (error: unknown) => {
    if (!isTold)
      consoleLog.error(
        `The option logger has failed (${describeError(error)}): lines may be missing in its log.`,
      );
    isTold = true;
  };
  return function write(level, fields, line) {
    try {
      const written: unknown = logger[level]?.(fields, line);
      if (written instanceof Promise) written.catch(failed);
    } catch (error) {
      failed(error);
    }
  };
}

export const consoleLog: Log = {
  warn: (line) => console.warn(`[${COMPONENT}] ${oneLine(line)}`),
  error: (line) => console.error(`[${COMPONENT}] ${oneLine(line)}`),
  tell: tellNobody,
};

/** Codes of everyday life beside those of logins: a person who is not logged in (any more) is nobody's problem. */
const EVERYDAY: readonly string[] = [
  "login_required",
  "token_expired",
  "insufficient_user_authentication", // as the guard says it to a script: the person will sign in once more
  // These two are logged when they end the session, and not again for each request that meets them.
  "refresh_refused",
  "refresh_identity_mismatch",
];

/** One line for one failure: its name, its request, what to do, what was seen. Never a secret, never a stack. */
export function logFailure(log: Log, error: PortalAuthError, requestId?: string): void {
  if (isOrdinary(error.code) || EVERYDAY.includes(error.code)) tellFailure(log, error, requestId);
  else logAnyway(log, error, requestId);
}

/** The same for what is ordinary in an answer, and worth a line where it happens. */
export function logAnyway(log: Log, error: PortalAuthError, request_id?: string): void {
  tellFailure(log, error, request_id);
  const cause =
    error.cause instanceof Error && !(error.cause instanceof PortalAuthError)
      ? ` Cause: ${describeError(error.cause)}`
      : "";
  const request = request_id === undefined ? "" : `, request ${request_id}`;
  const line = `${error.code} (${error.status})${request}: ${error.message}${cause} ${whereMore(error)}`;
  const fields = { code: error.code, status: error.status, request_id };
  if (error.status >= 500) log.error(line, fields);
  else log.warn(line, fields);
}

/** A new id for a failure: its log line and the answers that report it show it. */
export const newRequestId = (): string => randomBytes(6).toString("hex");

/** Ids of failures that are in the log although several requests have yet to report them. */
const sharedIds = new WeakMap<Error, string>();

/**
 * Logs a failure once that several requests may report, such as a refresh that they all wait for. Their answers show the
 * id of this line.
 */
export function logShared(log: Log, error: PortalAuthError, write: typeof logFailure = logFailure): void {
  const requestId = newRequestId();
  sharedIds.set(error, requestId);
  write(log, error, requestId);
}

/** The id under which this failure, or the one that caused it, is in the log. Undefined if it has not been logged. */
export function sharedIdOf(error: PortalAuthError): string | undefined {
  return (
    sharedIds.get(error) ?? (error.cause instanceof PortalAuthError ? sharedIds.get(error.cause) : undefined)
  );
}

/** The section of lib/errors/errors.md, which is there wherever the package is. */
const whereMore = ({ code }: PortalAuthError): string => `More: npx express-portal-auth explain ${code}`;

function tellFailure(log: Log, error: PortalAuthError, request_id: string | undefined): void {
  const { code, status, hint } = error;
  // what is unexpected speaks in the words of whoever threw it: of a person, perhaps
  const detail = code === "unexpected" ? undefined : error.detail;
  log.tell("failed", () => ({ code, status, request_id, hint, detail }));
}
