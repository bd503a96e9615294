import type { Session, SessionData } from "express-session";
import type { PortalSession, StoredPortal } from "./stored.js";

/**
 * What a request knows of the session that it has loaded or saved: against this its changes are told. A class, as V8 may
 * come to make an object literal of every request in its old space, where it keeps what it holds from being collected.
 */
export class Known {
  /** An application that copies a session to another id copies this along: it speaks of this id alone. */
  readonly id: string;
  /** What the application kept in it; undefined when nobody can tell any more. */
  readonly snapshot: string | undefined;
  // private for applications that log their session: there are tokens in them
  #portal: PortalSession | undefined;
  readonly #stored: StoredPortal | undefined;
  readonly expires: Date | null | undefined;
  readonly maxAge: number | null | undefined;
  /** This request has written the session, so it need not be kept alive as well. */
  readonly written: boolean;

  constructor(
    id: string,
    data: Kept,
    snapshot: string | undefined,
    portal: PortalSession | undefined,
    written: boolean,
    stored: StoredPortal | undefined = portal,
  ) {
    this.id = id;
    this.snapshot = snapshot;
    this.#portal = portal;
    this.#stored = stored;
    this.expires = data.cookie.expires;
    this.maxAge = data.cookie.originalMaxAge;
    this.written = written;
  }

  /** The login that lay in the store, whether or not it could be opened. */
  get stored(): StoredPortal | undefined {
    return this.#stored;
  }

  get portal(): PortalSession | undefined {
    return this.#portal;
  }

  set portal(portal: PortalSession | undefined) {
    this.#portal = portal;
  }
}

/** Where a session carries what is known of it. JSON, and so express-session's hash and every store, passes a symbol over. */
export const KNOWN = Symbol("express-portal-auth");

/** A session as express-session hands it to a request. */
export type Kept = Session & Partial<SessionData> & { [KNOWN]?: Known | undefined };

export const knownOf = (id: string, data: Kept): Known | undefined =>
  data[KNOWN]?.id === id ? data[KNOWN] : undefined;
