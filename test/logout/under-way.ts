import type { Request } from "express";
import type { LoggedIn } from "../access/signed-in-request.js";
import type { Browser } from "../support/browser.js";
import { createGate } from "../support/gate.js";

/**
 * Starts a request that pauses after it has loaded its session. resume() runs the work and waits for the end
 * of the request.
 */
export async function pauseRequest(
  world: Pick<LoggedIn, "inRequest">,
  work: (req: Request) => Promise<void>,
  browser?: Browser,
) {
  const loaded = createGate();
  const mayResume = createGate();
  const ended = world.inRequest(async (req) => {
    loaded.open();
    await mayResume.opened;
    await work(req);
  }, browser);
  await loaded.opened;
  return {
    resume() {
      mayResume.open();
      return ended;
    },
  };
}

/** Returns the number of logins in the store. */
export const countStoredLogins = async ({ store }: Pick<LoggedIn, "store">): Promise<number> =>
  (await store.logins()).length;

/** Adds data to the session of the request and saves it. */
export async function saveSession(req: Request, data: object): Promise<void> {
  Object.assign(req.session, data);
  await new Promise<void>((resolve, reject) =>
    req.session.save((error) => (error ? reject(error) : resolve())),
  );
}
