import { randomBytes } from "node:crypto";
import type { Logger } from "../contract/logger.js";
import { isExpectedOutcome } from "../errors/error-codes.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { redactError } from "../errors/redact.js";
import { type EmitEvent, emitNothing } from "../events/event-emitter.js";
import { oneLine } from "../util/to-single-line.js";

/** Where our few lines go, and our events. */
export interface Log {
  warn(line: string, fields?: object): void;
  error(line: string, fields?: object): void;
  readonly emit: EmitEvent;
}

const COMPONENT = "express-portal-auth";

export function createLog(write: WriteLine | undefined, emit: EmitEvent): Log {
  if (!write) return { ...consoleLog, emit };
  return {
    warn: (line, fields) => write("warn", { component: COMPONENT, ...fields }, oneLine(line)),
    error: (line, fields) => write("error", { component: COMPONENT, ...fields }, oneLine(line)),
    emit,
  };
}

/** Writes to a logger of the application's. */
export type WriteLine = (level: "warn" | "error" | "debug", fields: object, line: string) => void;

/** A logger that fails harms nobody's login: that is told on the console, once. */
export function createSafeWrite(logger: Logger): WriteLine {
  let isReported = false;
  const reportOnce = (error: unknown) => {
    if (!isReported)
      consoleLog.error(
        `The option logger has failed (${redactError(error)}): lines may be missing in its log.`,
      );
    isReported = true;
  };
  return function write(level, fields, line) {
    try {
      const written: unknown = logger[level]?.(fields, line);
      if (written instanceof Promise) written.catch(reportOnce);
    } catch (error) {
      reportOnce(error);
    }
  };
}

export const consoleLog: Log = {
  warn: (line) => console.warn(`[${COMPONENT}] ${oneLine(line)}`),
  error: (line) => console.error(`[${COMPONENT}] ${oneLine(line)}`),
  emit: emitNothing,
};

/** Codes of everyday life beside those of logins: a person who is not logged in (any more) is nobody's problem. */
const ROUTINE_CODES: readonly string[] = [
  "login_required",
  "token_expired",
  "insufficient_user_authentication", // as the guard says it to a script: the person will sign in once more
  // These two are logged when they end the session, and not again for each request that meets them.
  "refresh_refused",
  "refresh_identity_mismatch",
];

/** One line for one failure: its name, its request, what to do, what was seen. Never a secret, never a stack. */
export function logFailure(log: Log, error: PortalAuthError, requestId?: string): void {
  if (isExpectedOutcome(error.code) || ROUTINE_CODES.includes(error.code)) emitFailure(log, error, requestId);
  else logUnconditionally(log, error, requestId);
}

/** The same for what is ordinary in an answer, and worth a line where it happens. */
export function logUnconditionally(log: Log, error: PortalAuthError, request_id?: string): void {
  emitFailure(log, error, request_id);
  const cause =
    error.cause instanceof Error && !(error.cause instanceof PortalAuthError)
      ? ` Cause: ${redactError(error.cause)}`
      : "";
  const request = request_id === undefined ? "" : `, request ${request_id}`;
  const line = `${error.code} (${error.status})${request}: ${error.message}${cause} ${formatExplainCommand(error)}`;
  const fields = { code: error.code, status: error.status, request_id };
  if (error.status >= 500) log.error(line, fields);
  else log.warn(line, fields);
}

/** A new id for a failure: its log line and the answers that report it show it. */
export const createRequestId = (): string => randomBytes(6).toString("hex");

/** Ids of failures that are in the log although several requests have yet to report them. */
const sharedRequestIds = new WeakMap<Error, string>();

/**
 * Logs a failure once that several requests may report, such as a refresh that they all wait for. Their answers show the
 * id of this line.
 */
export function logSharedFailure(
  log: Log,
  error: PortalAuthError,
  write: typeof logFailure = logFailure,
): void {
  const requestId = createRequestId();
  sharedRequestIds.set(error, requestId);
  write(log, error, requestId);
}

/** The id under which this failure, or the one that caused it, is in the log. Undefined if it has not been logged. */
export function findSharedRequestId(error: PortalAuthError): string | undefined {
  return (
    sharedRequestIds.get(error) ??
    (error.cause instanceof PortalAuthError ? sharedRequestIds.get(error.cause) : undefined)
  );
}

/** The section of lib/errors/errors.md, which is there wherever the package is. */
const formatExplainCommand = ({ code }: PortalAuthError): string =>
  `More: npx express-portal-auth explain ${code}`;

function emitFailure(log: Log, error: PortalAuthError, request_id: string | undefined): void {
  const { code, status, hint } = error;
  // what is unexpected speaks in the words of whoever threw it: of a person, perhaps
  const detail = code === "unexpected" ? undefined : error.detail;
  log.emit("failed", () => ({ code, status, request_id, hint, detail }));
}
