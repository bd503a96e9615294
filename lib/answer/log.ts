import { randomBytes } from "node:crypto";
import type { Logger } from "../contract/logger.js";
import { isExpectedOutcome } from "../errors/error-codes.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { redactError } from "../errors/redact.js";
import { type EmitEvent, emitNothing } from "../events/event-emitter.js";
import { toSingleLine } from "../util/to-single-line.js";

/** Writes log lines and emits events. */
export interface Log {
  warn(line: string, fields?: object): void;
  error(line: string, fields?: object): void;
  readonly emit: EmitEvent;
}

const COMPONENT = "express-portal-auth";

/** Creates the log of a portalAuth(). Without `write` its lines go to the console. */
export function createLog(write: WriteLine | undefined, emit: EmitEvent): Log {
  if (!write) return { ...consoleLog, emit };
  return {
    warn: (line, fields) => write("warn", { component: COMPONENT, ...fields }, toSingleLine(line)),
    error: (line, fields) => write("error", { component: COMPONENT, ...fields }, toSingleLine(line)),
    emit,
  };
}

/** Writes a line to the logger of the application. */
export type WriteLine = (level: "warn" | "error" | "debug", fields: object, line: string) => void;

/**
 * Wraps the logger of the application. If it throws, no request fails, and the console reports the error
 * once.
 */
export function createSafeWrite(logger: Logger): WriteLine {
  let isReported = false;
  const reportOnce = (error: unknown) => {
    if (!isReported)
      consoleLog.error(`The option logger failed (${redactError(error)}). Lines may be missing in its log.`);
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

/** Writes to the console, and emits no events. */
export const consoleLog: Log = {
  warn: (line) => console.warn(`[${COMPONENT}] ${toSingleLine(line)}`),
  error: (line) => console.error(`[${COMPONENT}] ${toSingleLine(line)}`),
  emit: emitNothing,
};

/** Codes of ordinary responses, beside those of logins: the user is not signed in, or no longer. */
const ROUTINE_CODES: readonly string[] = [
  "login_required",
  "token_expired",
  "insufficient_user_authentication", // The guard answers a script. The user will sign in once more.
  // These two are logged when they end the session, and not again for each request that gets them.
  "refresh_refused",
  "refresh_identity_mismatch",
];

/** Logs a failure in one line, without secrets and without a stack. Expected outcomes only emit an event. */
export function logFailure(log: Log, error: PortalAuthError, requestId?: string): void {
  if (isExpectedOutcome(error.code) || ROUTINE_CODES.includes(error.code)) emitFailure(log, error, requestId);
  else logUnconditionally(log, error, requestId);
}

/** Logs a failure in one line, even if its code is an expected outcome elsewhere. */
export function logUnconditionally(log: Log, error: PortalAuthError, request_id?: string): void {
  emitFailure(log, error, request_id);
  const cause =
    error.cause instanceof Error && !(error.cause instanceof PortalAuthError)
      ? ` Cause: ${redactError(error.cause)}`
      : "";
  const request = request_id === undefined ? "" : `, request ${request_id}`;
  const { code, status, message } = error;
  const line = `${code} (${status})${request}: ${message}${cause} ${formatExplainCommand(error)}`;
  const fields = { code, status, request_id };
  if (status >= 500) log.error(line, fields);
  else log.warn(line, fields);
}

/** Creates an id for a failure. Its log line and the responses that report it contain the id. */
export const createRequestId = (): string => randomBytes(6).toString("hex");

/** Ids of failures that are already in the log, and that several requests may still report. */
const sharedRequestIds = new WeakMap<Error, string>();

/**
 * Logs a failure that several requests may report, such as a refresh that they all wait for. Their responses
 * contain the id of this one line.
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

/** Returns the id of a failure that is already in the log, or of its cause; undefined for other failures. */
export function findSharedRequestId(error: PortalAuthError): string | undefined {
  return (
    sharedRequestIds.get(error) ??
    (error.cause instanceof PortalAuthError ? sharedRequestIds.get(error.cause) : undefined)
  );
}

/** Returns the command that prints the section of errors.md. The package contains that file. */
const formatExplainCommand = ({ code }: PortalAuthError): string =>
  `More: npx express-portal-auth explain ${code}`;

function emitFailure(log: Log, error: PortalAuthError, request_id: string | undefined): void {
  const { code, status, hint } = error;
  // The detail of an unexpected error is text of other code, so it may contain user data.
  const detail = code === "unexpected" ? undefined : error.detail;
  log.emit("failed", () => ({ code, status, request_id, hint, detail }));
}
