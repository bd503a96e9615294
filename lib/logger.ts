/**
 * Where an application wants our lines: what pino, and loggers like it, are. Each line is a sentence, and beside it an
 * object with what a machine may look for: `code`, `status` and `request_id` of a failure, or the members of an event.
 */
export interface Logger {
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** Gets one line for each event (PortalAuthEvents). Left out: none. */
  debug?(fields: object, message: string): void;
}
