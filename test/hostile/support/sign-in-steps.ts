import { createHmac } from "node:crypto";
import type { Answer } from "../../support/browser.js";
import { SESSION_SECRET } from "../../support/world.js";
import { readState, signIn, type World } from "./attack.js";
import { type Client, submitForm } from "./client.js";
import type { Host } from "./host.js";

/** Signs the victim in, and then fetches a path of the app. */
export const signInThenFetch =
  (path: string, enter: (world: World) => Promise<Answer> = signIn) =>
  async (world: World): Promise<Answer> => {
    await enter(world);
    return world.victim.fetch(world.base + path);
  };

/** Starts a login that stays unfinished in this browser, and returns its state. */
export async function startLogin(client: Client, base: string): Promise<string> {
  const { headers } = await client.navigate(`${base}/login?returnTo=/account`);
  return readState(headers.location);
}

/** Signs a session id as the app does, so that the app reads the store for this id. */
export const signSessionId = (id: string, secret = SESSION_SECRET): string => {
  const signature = createHmac("sha256", secret).update(id).digest("base64").replace(/=+$/, "");
  return encodeURIComponent(`s:${id}.${signature}`);
};

/**
 * Signs the victim in twice at the same provider, with a change in between. The second login is a new one at
 * the provider too.
 */
export const signInAgainAfter =
  (change: (world: World) => unknown) =>
  async (world: World): Promise<Answer> => {
    await signIn(world);
    await change(world);
    await world.victim.jar.removeAllCookies();
    return signIn(world);
  };

/** Signs the victim in at a provider that responds with a form. */
export const signInByForm = async ({ victim, base }: World): Promise<Answer> =>
  submitForm(victim, await victim.visit(`${base}/account`));

/** Signs the victim in and out again, and returns the last page. */
export const signInAndOut = async (world: World): Promise<Answer> => {
  await signIn(world);
  return world.victim.visit(`${world.base}/logout`, { site: "same-origin" });
};

const secondsAhead = new WeakMap<Host, number>();

/**
 * Moves the clocks of the app and its provider forward by the same time. The clock of the process is never
 * moved back. If one case of a table uses this function, all its cases must: `advanceClock(world, 0)` sets a
 * new world's provider to the time of the process.
 */
export async function advanceClock({ host, provider }: World, seconds: number): Promise<void> {
  const ahead = (secondsAhead.get(host) ?? 0) + seconds;
  secondsAhead.set(host, ahead);
  await host.advanceClock(seconds);
  provider.setClock(ahead);
}
