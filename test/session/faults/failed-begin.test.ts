import { describe, expect, test, vi } from "vitest";
import { logIn, SESSIONS } from "../../access/signed-in-request.js";

// Logins during which the store fails.

describe.each(SESSIONS)("%s", (_name, sessionKind) => {
  test("the first login stays valid if the store fails at a second login", async () => {
    const world = await logIn({ session: sessionKind, log: [/session_store_failed/] });
    const [before] = await world.stored();
    vi.spyOn(world.store, "remove").mockRejectedValueOnce(new Error("the store is down"));
    const { status } = await world.browser.visit(`${world.url}/login`, { site: "same-origin" });
    expect(status).toBe(503);
    expect(await world.stored()).toEqual([before]);
    expect((await world.me()).isAuthenticated).toBe(true);
  });

  test("a login is not listed if its record was written although the store reported a failure", async () => {
    const world = await logIn({ session: sessionKind, log: [/session_store_failed/] });
    const method = sessionKind === "app" ? "create" : "createEntry";
    const write = world.store[method].bind(world.store) as (...args: unknown[]) => Promise<never>;
    const spy = vi.spyOn(world.store, method);
    spy.mockImplementation(async (key: string, ...args: unknown[]) => {
      const written = await write(key, ...args);
      if (/^[sl]:/.test(key)) throw new Error("the connection was lost");
      return written;
    });
    await expect(world.another()).resolves.toBeDefined();
    spy.mockRestore();
    expect(await world.inRequest((req) => req.portal.sessions())).toHaveLength(1);
  });
});
