import type { Answer } from "../../support/browser.js";
import { logIn, type World } from "./attack.js";
import { submitForm } from "./client.js";

/** The victim logs in; then a page of the app asks for something. */
export const logInThenAsk =
  (path: string) =>
  async (world: World): Promise<Answer> => {
    await logIn(world);
    return world.victim.fetch(world.base + path);
  };

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
