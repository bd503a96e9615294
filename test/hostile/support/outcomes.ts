import { expect } from "vitest";
import { failures } from "../../../lib/errors.js";
import type { PortalAuthErrorCode } from "../../../lib/index.js";
import type { Answer } from "../../support/browser.js";
import type { Outcome, World } from "./attack.js";

const nobodyIsIn = async ({ victim, stranger, whoIs }: World) => {
  expect(await whoIs(victim)).toBeUndefined();
  expect(await whoIs(stranger)).toBeUndefined();
};

/** The answer tells this failure, as page or problem, with its status; and nobody is logged in. */
export const refused =
  (code: PortalAuthErrorCode): Outcome =>
  async (answer, world) => {
    tells(code)(answer, world);
    await nobodyIsIn(world);
  };

/** The answer tells this failure, and the victim, who was logged in, stays so. */
export const staysIn =
  (code: PortalAuthErrorCode): Outcome =>
  async (answer, world) => {
    tells(code)(answer, world);
    expect(await world.whoIs(world.victim)).toBe(world.victim.person["sub"]);
  };

/** The answer tells this failure. */
const tells =
  (code: PortalAuthErrorCode): Outcome =>
  ({ status, body, headers }) => {
    expect(body).toContain(code);
    expect(status).toBe(failures[code].status);
    expect(headers["cache-control"]).toBe("no-store");
    expect(headers["referrer-policy"]).toBe("no-referrer");
  };

/** The victim is logged in as who they are at the portal, and sees the page that they wanted. */
export const welcomed: Outcome = async ({ status, body }, { victim, whoIs }) => {
  expect([status, body]).toEqual([200, JSON.stringify({ sub: victim.person["sub"] })]);
  expect(await whoIs(victim)).toBe(victim.person["sub"]);
};

/** All of these. */
export const allOf =
  (...outcomes: Outcome[]): Outcome =>
  async (answer, world) => {
    for (const outcome of outcomes) await outcome(answer, world);
  };

/** A redirect, if there is one, stays on this site. */
export const staysHere = ({ headers: { location } }: Answer, { url }: Pick<World, "url">): void => {
  if (location !== undefined) expect(new URL(location, url).origin).toBe(url);
};
