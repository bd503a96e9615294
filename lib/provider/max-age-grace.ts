/** From the moment in which the portal asks for a password, in whole seconds, to the page that was wanted. */
const REDIRECT_SECONDS = 10;

/** By how much a login may be older than max_age when it comes in. */
export const getGraceAtLogin = (clockTolerance: number): number => Math.max(clockTolerance, REDIRECT_SECONDS);

/** The same afterwards: who has just been let in must not be sent away again at once, round and round. */
export const getGraceAfterLogin = (clockTolerance: number): number =>
  getGraceAtLogin(clockTolerance) + REDIRECT_SECONDS;
