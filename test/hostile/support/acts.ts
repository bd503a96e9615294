import { createHmac } from "node:crypto";
import type { Answer } from "../../support/browser.js";
import { SESSION_SECRET } from "../../support/world.js";
import { logIn, stateOf, type World } from "./attack.js";
import { type Client, submitForm } from "./client.js";
import type { Host } from "./host.js";

/** The victim logs in; then a page of the app asks for something. */
export const logInThenAsk =
  (path: string, enter: (world: World) => Promise<Answer> = logIn) =>
  async (world: World): Promise<Answer> => {
    await enter(world);
    return world.victim.fetch(world.base + path);
  };

/** A login that waits in this browser; its state. */
export async function beginLogin(client: Client, base: string): Promise<string> {
  const { headers } = await client.navigate(`${base}/login?returnTo=/account`);
  return stateOf(headers.location);
}

/** The value of a cookie that only somebody who knows the secret could have made: the store is asked for its session. */
export const signed = (id: string, secret = SESSION_SECRET): string =>
  encodeURIComponent(
    `s:${id}.${createHmac("sha256", secret).update(id).digest("base64").replace(/=+$/, "")}`,
  );

/** Twice with one portal, which may have changed in between. The second login is a new one at the portal too. */
export const logInAgainAfter =
  (between: (world: World) => unknown) =>
  async (world: World): Promise<Answer> => {
    await logIn(world);
    await between(world);
    await world.victim.jar.removeAllCookies();
    return logIn(world);
  };

/** The victim logs in where the portal answers by a form. */
export const logInByForm = async ({ victim, base }: World): Promise<Answer> =>
  submitForm(victim, await victim.visit(`${base}/account`));

/** The victim logs in and signs out again; the answer is the page where that ends. */
export const logInAndOut = async (world: World): Promise<Answer> => {
  await logIn(world);
  return world.victim.visit(`${world.base}/logout`, { site: "same-origin" });
};

const ahead = new WeakMap<Host, number>();

/**
 * So much later for the app and its portal. The process's clock is not turned back, so this belongs into a table whose cases
 * all keep to it: `later(world, 0)` takes a new world's portal to where the process is.
 */
export async function later({ host, portal: provider }: World, seconds: number): Promise<void> {
  const now = (ahead.get(host) ?? 0) + seconds;
  ahead.set(host, now);
  await host.later(seconds);
  provider.setClock(now);
}
