import type { Store } from "express-session";
import { PortalAuthError } from "../../errors.js";
import { onceAMinute } from "../once-a-minute.js";

/** A store of ours, with its connection. */
export interface OpenStore {
  readonly store: Store;
  /** Settled once the first connection stands, or has failed: the first requests wait for that. */
  readonly opened: Promise<void>;
  /** For an application that shuts down. */
  close(): Promise<void>;
}

/** Loads a package that only some users need: at start-up, so that a missing one is told then. */
export type Load = (name: string) => unknown;

/** Told when the app starts, without the address: a password may stand in it. */
export const storeRefused = (problem: string): PortalAuthError =>
  new PortalAuthError("options_invalid", { detail: `\n  - SESSION_STORE_URL (option store) ${problem}` });

/** How a store of ours tells of a connection that fails: once a minute, and nothing that may hold a password. */
export function troubleWith(name: string, warn: (message: string) => void): (error: Error) => void {
  const tell = onceAMinute(warn);
  return (error) => tell(`The session store on ${name}: ${nameOf(error)}. Look at SESSION_STORE_URL.`);
}

/** The system's name for it, or the first word of what Redis says (WRONGPASS, NOAUTH, LOADING): the rest may hold more. */
function nameOf(error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  return code ?? /^[A-Z]{4,}(?= )/.exec(error.message)?.[0] ?? error.constructor.name;
}
