import { describe, expect, test, vi } from "vitest";
import { logIn, SESSIONS } from "../../access/signed-in-request.js";

// What a login leaves in the store if the store fails in the middle.

describe.each(SESSIONS)("%s", (_name, whose) => {
  test("a second login that the store refuses leaves the first one as it is", async () => {
    const world = await logIn({ session: whose, log: [/session_store_failed/] });
    const [before] = await world.stored();
    vi.spyOn(world.store, "remove").mockRejectedValueOnce(new Error("away"));
    const { status } = await world.browser.visit(`${world.url}/login`, { site: "same-origin" });
    expect(status).toBe(503);
    expect(await world.stored()).toEqual([before]);
    expect((await world.me()).isAuthenticated).toBe(true);
  });

  test("a login whose record was written, although the store has reported a failure, is not in the list of sessions", async () => {
    const world = await logIn({ session: whose, log: [/session_store_failed/] });
    const method = whose === "app" ? "create" : "createEntry";
    const write = world.store[method].bind(world.store) as (...given: unknown[]) => Promise<never>;
    const spied = vi.spyOn(world.store, method);
    spied.mockImplementation(async (key: string, ...given: unknown[]) => {
      const written = await write(key, ...given);
      if (/^[sl]:/.test(key)) throw new Error("the connection was lost");
      return written;
    });
    await expect(world.another()).resolves.toBeDefined();
    spied.mockRestore();
    expect(await world.inRequest((req) => req.portal.sessions())).toHaveLength(1);
  });
});
