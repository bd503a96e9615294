import session from "express-session";
import { expect, test, vi } from "vitest";
import { observedStore } from "../../support/stored-sessions.js";
import { startWorld } from "../../support/world.js";
import { addSessionRoute, changeRoute, fetchSession, mountExpressSession, setValue } from "../slow-route.js";

test("a logout ends the login and revokes its tokens, even if the application's store fails", async () => {
  const sessions = new session.MemoryStore();
  const store = observedStore();
  const world = await startWorld({
    before: mountExpressSession({ store: sessions }),
    options: { store },
    after(app) {
      addSessionRoute(app);
      changeRoute("/test/note", setValue("note", "private"))(app);
    },
    log: [/session_store_failed/],
  });
  await world.browser.visit(`${world.url}/account`);
  await world.browser.fetch(`${world.url}/test/note`);
  const cookie = await world.browser.jar.getCookieString(world.url);
  vi.spyOn(sessions, "destroy").mockImplementationOnce((_id, done) => done?.(new Error("the store is down")));
  const { status } = await world.browser.navigate(`${world.url}/logout`, { site: "same-origin" });
  expect(status).toBe(303);
  expect(await store.logins()).toEqual([]);
  expect(world.asked("/oauth2/revoke")).toHaveLength(1);
  expect((await world.me()).isAuthenticated).toBe(false);
  // An attacker may have a copy of the cookie.
  await world.browser.jar.setCookie(cookie, world.url);
  expect(await fetchSession(world)).not.toHaveProperty("note");
});
