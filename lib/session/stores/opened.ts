import type { Store } from "express-session";
import { PortalAuthError } from "../../errors.js";

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
