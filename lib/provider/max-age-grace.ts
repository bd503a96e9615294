/** From the moment in which the portal asks for a password, in whole seconds, to the page that was wanted. */
const WAY_BACK_SECONDS = 10;

/** By how much a login may be older than max_age when it comes in. */
export const graceAtLogin = (clockTolerance: number): number => Math.max(clockTolerance, WAY_BACK_SECONDS);

/** The same afterwards: who has just been let in must not be sent away again at once, round and round. */
export const graceAfterLogin = (clockTolerance: number): number =>
  graceAtLogin(clockTolerance) + WAY_BACK_SECONDS;
