import { expect } from "vitest";
import { errorDefinitions } from "../../../lib/errors/error-codes.js";
import type { PortalAuthErrorCode } from "../../../lib/index.js";
import type { Answer } from "../../support/browser.js";
import type { Outcome, World } from "./attack.js";

const noUserIsSignedIn = async (world: World) => {
  const { victim, attacker, signedInUser, base, other, otherBase } = world;
  for (const at of other ? [base, otherBase] : [base]) {
    expect(await signedInUser(victim, at)).toBeUndefined();
    expect(await signedInUser(attacker, at)).toBeUndefined();
  }
};

/**
 * Codes for a login that cannot be found at the callback. State diagnostics choose between them
 * (test/login-attempt/state-diagnostics.test.ts).
 */
export const LOGIN_NOT_FOUND_CODES: readonly PortalAuthErrorCode[] = [
  "login_not_found",
  "login_expired",
  "login_cookies_blocked",
  "login_cookie_lost",
  "login_cookie_changed",
  "login_in_other_browser",
  "login_secret_changed",
  "login_over_http",
  "login_cookies_strict",
  "login_on_other_host",
  "login_in_frame",
];

/**
 * Failures that the user of a browser can cause, for which neither the site, its settings nor its provider is
 * at fault.
 */
const CAUSED_BY_CLIENTS: readonly PortalAuthErrorCode[] = [
  "login_required",
  "navigation_required",
  "callback_invalid",
  ...LOGIN_NOT_FOUND_CODES,
  "login_state_reused",
  "session_not_saved",
  "login_denied",
  "authorization_refused",
  "interaction_needed",
  "response_issuer_mismatch",
  "client_refused",
  "code_refused",
  "logout_unconfirmed",
];

/** Expects this failure, as a page or a problem document, with its status, and no signed-in user. */
export const rejectedWith =
  (code: PortalAuthErrorCode): Outcome =>
  async (answer, world) => {
    reports(code)(answer, world);
    await noUserIsSignedIn(world);
  };

/** Expects that the login cannot be found here, for any of the reasons, and no signed-in user. */
export const loginNotFound: Outcome = async (answer, world) => {
  const code = LOGIN_NOT_FOUND_CODES.find((possible) => answer.body.includes(possible));
  await rejectedWith(code ?? "login_not_found")(answer, world);
};

/** Expects this failure, and that the victim stays signed in. */
export const staysSignedIn =
  (code: PortalAuthErrorCode): Outcome =>
  async (answer, world) => {
    reports(code)(answer, world);
    expect(await world.signedInUser(world.victim)).toBe(world.victim.user["sub"]);
  };

/** Expects this failure. */
const reports =
  (code: PortalAuthErrorCode): Outcome =>
  ({ status, body, headers }) => {
    expect(body).toContain(code);
    expect(status).toBe(errorDefinitions[code].status);
    if (CAUSED_BY_CLIENTS.includes(code)) expect(status).toBeLessThan(500);
    expect(headers["cache-control"]).toBe("no-store");
    expect(headers["referrer-policy"]).toBe("no-referrer");
  };

/** Expects that the victim is signed in as the user of the provider, and sees the requested page. */
export const signedIn: Outcome = async ({ status, body }, { victim, signedInUser }) => {
  expect([status, body]).toEqual([200, JSON.stringify({ sub: victim.user["sub"] })]);
  expect(await signedInUser(victim)).toBe(victim.user["sub"]);
};

/**
 * Expects that the page that requested an access token has one, and that the app got it from the provider
 * after the login.
 */
export const refreshed: Outcome = ({ status, body }, { requestsTo }) => {
  expect([status, body, requestsTo("/oauth2/token").length]).toEqual([200, '{"ok":true}', 2]);
};

/** Expects that no response has set a session's cookie. A response may clear one. */
export const noSessionStarted: Outcome = (_answer, { victim, attacker }) => {
  const cookies = [...victim.answers, ...attacker.answers].flatMap(
    ({ headers }) => headers["set-cookie"] ?? [],
  );
  expect(cookies.filter((cookie) => /^(__Host-)?portal-session(\.\w+)?=[^;]/.test(cookie))).toEqual([]);
};

/** Combines several outcomes. */
export const allOf =
  (...outcomes: Outcome[]): Outcome =>
  async (answer, world) => {
    for (const outcome of outcomes) await outcome(answer, world);
  };

/** Expects that a redirect, if there is one, stays on this site. */
export const redirectStaysOnSite = ({ headers: { location } }: Answer, { url }: Pick<World, "url">): void => {
  if (location !== undefined) expect(new URL(location, url).origin).toBe(url);
};
