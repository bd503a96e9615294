import type { Store } from "express-session";
import { PortalAuthError } from "../../errors.js";
import { onceAMinute } from "../once-a-minute.js";
import type { Durability } from "./durability.js";

/** A store of ours, with its connection. */
export interface OpenStore {
  readonly store: Store;
  /** Settled once the first connection stands, or has failed: the first requests wait for that. */
  readonly opened: Promise<void>;
  /** For a doctor: what would be lost, as far as the server tells this user. Rejects while there is no connection. */
  readonly durability: Durability;
  /** Why there is no connection, as far as was heard; undefined while there is one, or where each failure says so itself. */
  trouble(): string | undefined;
  /** For a doctor: what is not there yet, and would be made by the app; undefined where nothing is missing. */
  lacks(): Promise<Lack | undefined>;
  /** For an application that shuts down. */
  close(): Promise<void>;
}

/** What a store needs and has not. */
export interface Lack {
  readonly found: string;
  /** Whether the app would make it: this user may. */
  readonly isMade: boolean;
}

/** Loads a package that only some users need: at start-up, so that a missing one is told then. */
export type Load = (name: string) => unknown;

/** Told when the app starts, without the address: a password may stand in it. */
export const storeRefused = (problem: string): PortalAuthError =>
  new PortalAuthError("options_invalid", { detail: `\n  - SESSION_STORE_URL (option store) ${problem}` });

/** How a store of ours tells of a connection that fails: once a minute, and nothing that may hold a password. */
export function troubleWith(name: string, warn: (message: string) => void): (error: Error) => void {
  const tell = onceAMinute(warn);
  return (error) => tell(`The session store on ${name}: ${reasonOf(error)}. Look at SESSION_STORE_URL.`);
}

/** The system's name for it and its meaning, and nothing that may hold a password. */
export function reasonOf(error: Error): string {
  const reason = nameOf(error);
  const meaning = MEANINGS[reason];
  return meaning ? `${reason}, ${meaning}` : reason;
}

/** The system's name for it, or the first word of what Redis says (WRONGPASS, NOAUTH, LOADING): the rest may hold more. */
function nameOf(error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code) return code;
  if (/timeout|timed out/i.test(error.message)) return "ETIMEDOUT"; // pg tells it in words only
  return /^[A-Z]{4,}(?= )/.exec(error.message)?.[0] ?? error.constructor.name;
}

/** Of Node.js, Redis and PostgreSQL (appendix A), for who has not met them before. */
const MEANINGS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nobody listens at that host and port",
  ECONNRESET: "the connection was cut",
  SocketClosedUnexpectedlyError: "the connection was cut",
  EAI_AGAIN: "the host's name cannot be looked up",
  ENOTFOUND: "there is no host of that name",
  ETIMEDOUT: "no answer in time",
  ConnectionTimeoutError: "no answer in time",
  SocketTimeoutError: "no answer in time",
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is not trusted: name yours with NODE_EXTRA_CA_CERTS",
  SELF_SIGNED_CERT_IN_CHAIN: "its certificate is not trusted: name yours with NODE_EXTRA_CA_CERTS",
  NOAUTH: "it wants a password",
  WRONGPASS: "it does not take that name and password",
  NOPERM: "that user may not do what sessions need",
  READONLY: "it is a replica, which cannot be written",
  "28P01": "it does not take that password",
  "28000": "it does not let that user in",
  "3D000": "there is no such database",
  "42501": "that user may not do what sessions need, or make the table session",
};
