/**
 * Where an application wants our lines: what pino, and loggers like it, are. Each line is a sentence, and beside it an
 * object with what a machine may look for: `code`, `status` and `request_id` of a failure, or the members of an event.
 */
export interface Logger {
  /** What somebody should look at: a failure with a status below 500, a setting that will hurt. */
  warn(fields: object, message: string): void;
  /** A failure with a status of 500 or more. */
  error(fields: object, message: string): void;
  /** Gets one line for each event (PortalAuthEvents). Left out: none. */
  debug?(fields: object, message: string): void;
}
