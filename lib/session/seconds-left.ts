import type { Request } from "express";
import { holderOf } from "./holder.js";
import { type Kept, knownOf } from "./known.js";
import type { SessionRules } from "./session.js";
import type { PortalSession } from "./stored.js";

/** How long a login goes on, in whole seconds. What nobody knows is left out. */
export interface SecondsLeft {
  /** When nobody makes a request meanwhile; unknown of an application's session that ends with the browser. */
  readonly idle?: number;
  /** Until the login ends, whatever the user does. */
  readonly absolute: number;
  /** Of the access token, which a refresh renews; unknown where the portal did not say. */
  readonly token?: number;
}

/** By what was stored when this request came: what it has done since to keep its session alive counts for nothing. */
export function secondsLeft(on: Request, rules: SessionRules, { started_at, tokens }: PortalSession): SecondsLeft {
  const session = holderOf(on, rules).session as Kept;
  const idleEnd = knownOf(session.id, session)?.expires;
  const left = (epochSeconds: number) => Math.max(0, Math.floor(epochSeconds - rules.clock() / 1000));
  return {
    ...(idleEnd && { idle: left(idleEnd.getTime() / 1000) }),
    absolute: left(started_at + rules.sessionAbsolute),
    ...(tokens.expires_at !== undefined && { token: left(tokens.expires_at) }),
  };
}
