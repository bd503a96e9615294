import { PortalAuthError } from "../errors.js";
import { outline } from "../outline.js";

/** Where our few lines go. */
export interface Log {
  warn(line: string): void;
  error(line: string): void;
}

const NAME = "[express-portal-auth]";

export const consoleLog: Log = {
  warn: (line) => console.warn(`${NAME} ${line}`),
  error: (line) => console.error(`${NAME} ${line}`),
};

/** Codes of everyday life: a person who is not logged in, or changed their mind, is nobody's problem. */
const ORDINARY: readonly string[] = [
  "login_required",
  "login_denied",
  "login_refused",
  "interaction_needed",
  "token_expired",
  "refresh_refused", // told when it ends the session, and not again to each request that meets it
];

/** One line for one failure: its name, its request, what to do, what was seen. Never a secret, never a stack. */
export function logFailure(log: Log, error: PortalAuthError, requestId?: string): void {
  if (!ORDINARY.includes(error.code)) tell(log, error, requestId);
}

/** The same for what is ordinary in an answer, and worth a line where it happens. */
export function tell(log: Log, error: PortalAuthError, requestId?: string): void {
  const cause =
    error.cause instanceof Error && !(error.cause instanceof PortalAuthError) ? ` Cause: ${outline(error.cause)}` : "";
  const request = requestId === undefined ? "" : `, request ${requestId}`;
  const line = oneLine(`${error.code} (${error.status})${request}: ${error.message}${cause}`);
  if (error.status >= 500) log.error(line);
  else log.warn(line);
}

/** A line break in what a log prints would let a stranger write lines of their own. */
function oneLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this is about
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, " ");
}
