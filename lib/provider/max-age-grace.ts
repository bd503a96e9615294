/**
 * The time from the password prompt at the provider to the requested page, in seconds. The redirects take
 * time, and the times of tokens are whole seconds.
 */
const REDIRECT_SECONDS = 10;

/** Returns by how many seconds an authentication may be older than max_age at the callback. */
export const getGraceAtLogin = (clockTolerance: number): number => Math.max(clockTolerance, REDIRECT_SECONDS);

/**
 * Returns by how many seconds an authentication may be older than max_age at a guard. It is more than at the
 * callback: a login that has just passed there must pass here, else there is a redirect loop.
 */
export const getGraceAfterLogin = (clockTolerance: number): number =>
  getGraceAtLogin(clockTolerance) + REDIRECT_SECONDS;
