/**
 * A logger of the application, such as pino. Each line has a sentence, and an object with fields for
 * programs: `code`, `status` and `request_id` of a failure, or the members of an event.
 */
export interface Logger {
  /** Logs a failure with a status below 500, or a setting that can cause problems. */
  warn(fields: object, message: string): void;
  /** Logs a failure with a status of 500 or more. */
  error(fields: object, message: string): void;
  /** Logs one line for each event (PortalAuthEvents). If it is missing, events are not logged. */
  debug?(fields: object, message: string): void;
}
