import type { Request } from "express";
import type { LoggedIn } from "../access/signed-in-request.js";
import type { Browser } from "../support/browser.js";
import { createGate } from "../support/gate.js";

/** A request that has loaded its session, and goes on when it is told to; then, when it has come to its end. */
export async function underWay(
  world: Pick<LoggedIn, "inRequest">,
  work: (req: Request) => Promise<void>,
  browser?: Browser,
) {
  const [loaded, goOn] = [createGate(), createGate()];
  const ended = world.inRequest(async (req) => {
    loaded.open();
    await goOn.opened;
    await work(req);
  }, browser);
  await loaded.opened;
  return {
    goOn() {
      goOn.open();
      return ended;
    },
  };
}

/** How many logins the store holds. */
export const storedLogins = async ({ store }: Pick<LoggedIn, "store">): Promise<number> =>
  (await store.logins()).length;

export async function savedWith(req: Request, more: object): Promise<void> {
  Object.assign(req.session, more);
  await new Promise<void>((resolve, reject) =>
    req.session.save((error) => (error ? reject(error) : resolve())),
  );
}
