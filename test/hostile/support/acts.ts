import { createHmac } from "node:crypto";
import type { Answer } from "../../support/browser.js";
import { SESSION_SECRET } from "../../support/world.js";
import { logIn, stateOf, type World } from "./attack.js";
import { type Client, submitForm } from "./client.js";
import type { Host } from "./host.js";

/** Logs the victim in, and then requests a page of the app. */
export const logInThenAsk =
  (path: string, enter: (world: World) => Promise<Answer> = logIn) =>
  async (world: World): Promise<Answer> => {
    await enter(world);
    return world.victim.fetch(world.base + path);
  };

/** Starts a login that stays unfinished in this browser, and returns its state. */
export async function beginLogin(client: Client, base: string): Promise<string> {
  const { headers } = await client.navigate(`${base}/login?returnTo=/account`);
  return stateOf(headers.location);
}

/** Signs a cookie value as the app does, so that the store is read for this session id. */
export const signed = (id: string, secret = SESSION_SECRET): string =>
  encodeURIComponent(
    `s:${id}.${createHmac("sha256", secret).update(id).digest("base64").replace(/=+$/, "")}`,
  );

/**
 * Logs in twice at the same provider, with a change in between. The second login is a new one at the provider
 * too.
 */
export const logInAgainAfter =
  (between: (world: World) => unknown) =>
  async (world: World): Promise<Answer> => {
    await logIn(world);
    await between(world);
    await world.victim.jar.removeAllCookies();
    return logIn(world);
  };

/** Logs the victim in at a provider that responds with a form. */
export const logInByForm = async ({ victim, base }: World): Promise<Answer> =>
  submitForm(victim, await victim.visit(`${base}/account`));

/** Logs the victim in and out again, and returns the last page. */
export const logInAndOut = async (world: World): Promise<Answer> => {
  await logIn(world);
  return world.victim.visit(`${world.base}/logout`, { site: "same-origin" });
};

const ahead = new WeakMap<Host, number>();

/**
 * Moves the clocks of the app and its provider forward by the same time. The clock of the process is never
 * moved back. If one case of a table uses this function, all its cases must: `later(world, 0)` sets a new
 * world's provider to the time of the process.
 */
export async function later({ host, portal: provider }: World, seconds: number): Promise<void> {
  const now = (ahead.get(host) ?? 0) + seconds;
  ahead.set(host, now);
  await host.later(seconds);
  provider.setClock(now);
}
