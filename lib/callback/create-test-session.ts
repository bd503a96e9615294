import { setResponseHeaders } from "../answer/response-headers.js";
import type { RequestContext, RouterContext } from "../context/router-context.js";
import type { TestLogin } from "../http/test-login.js";
import { parseAuthentication } from "../provider/parse-claims.js";
import { beginSession } from "../session/begin-session.js";
import { findReservedKey } from "../session/reserved-keys.js";
import { epochSeconds } from "../util/time.js";

const ONE_HOUR_SECONDS = 3600;

/**
 * Creates the session of a test login in the same way as a real login does, and responds with 204. The
 * outcome is written to the test login:
 *
 * - `isTaken` is true if the session was created.
 * - `refusal` is the reason if the session's content has a reserved key. Then no session is created.
 * - Both stay unset if the test login is for another portalAuth(). Then no session is created.
 *
 * @throws PortalAuthError the one of beginSession(). Then no response is sent.
 */
export async function createTestSession(
  { settings }: RouterContext,
  { req, res }: RequestContext,
  testLogin: TestLogin,
): Promise<void> {
  const { claims, session: extra, instance } = testLogin;
  const reserved = findReservedKey(Object.keys(extra));
  if (reserved !== undefined)
    testLogin.refusal = `the session's key ${reserved} belongs to express-session or to portalAuth()`;
  else if (instance === undefined || instance === settings.name) {
    const now = epochSeconds(settings.clock);
    const tokens = {
      access_token: "test-access-token",
      token_type: "bearer" as const,
      expires_at: now + ONE_HOUR_SECONDS,
      ...testLogin.tokens,
    };
    const authentication = parseAuthentication(claims, now);
    const verified = { claims, authentication, tokens, extra, getRequestAgeMs: () => 0 };
    await beginSession(req, { ...verified, policy: settings, keepKeys: [], onReplaced: () => {} });
    testLogin.isTaken = true;
  }
  setResponseHeaders(res);
  res.statusCode = 204;
  res.end();
}
