import { setResponseHeaders } from "../answer/response-headers.js";
import type { RequestContext, RouterContext } from "../context/router-context.js";
import { epochSeconds } from "../contract/clock.js";
import type { TestLogin } from "../http/test-login.js";
import { readAuthentication } from "../provider/parse-claims.js";
import { beginSession } from "../session/begin-session.js";
import { reservedKey } from "../session/reserved-keys.js";

const AN_HOUR_SECONDS = 3600;

/** Begins the session that a test wishes for, as a login would have begun it. */
export async function createTestSession(
  { settings }: RouterContext,
  { req, res }: RequestContext,
  ticket: TestLogin,
): Promise<void> {
  const { claims, session: extra, instance: portal } = ticket;
  const reserved = reservedKey(Object.keys(extra));
  if (reserved !== undefined)
    ticket.refusal = `the session's key ${reserved} belongs to express-session or to us`;
  else if (portal === undefined || portal === settings.name) {
    const expires_at = epochSeconds(settings.clock) + AN_HOUR_SECONDS;
    const tokens = {
      access_token: "test-access-token",
      token_type: "bearer" as const,
      expires_at,
      ...ticket.tokens,
    };
    const authentication = readAuthentication(claims, epochSeconds(settings.clock));
    const verified = { claims, authentication, tokens, extra, requestAgeMs: () => 0 };
    await beginSession(req, { ...verified, rules: settings, keep: [], onReplaced: () => {} });
    ticket.isTaken = true;
  }
  setResponseHeaders(res);
  res.statusCode = 204;
  res.end();
}
