import { ourHeaders } from "../answer/headers.js";
import type { LoginTicket } from "../login-ticket.js";
import type { Parts, Visit } from "../parts.js";
import { beginSession } from "../session/session.js";

/** Begins the session that a test wishes for, as a login would have begun it. */
export async function useTicket({ settings }: Parts, { req, res }: Visit, ticket: LoginTicket): Promise<void> {
  const { claims, tokens } = ticket;
  await beginSession(req, { rules: settings, claims, tokens, extra: {}, keep: [], onReplaced: () => {} });
  ticket.isTaken = true;
  ourHeaders(res);
  res.statusCode = 204;
  res.end();
}
