import { channel } from "node:diagnostics_channel";
import { expect, onTestFinished, test, vi } from "vitest";
import { createEventEmitter, getChannelName } from "../../lib/events/event-emitter.js";
import { subscribeToEvents } from "../../lib/events/subscribe-to-events.js";

const emit = createEventEmitter({ instance: "default", issuer: "https://portal.example", client_id: "app" });

test("a listener hears its own events, until it is told to stop", () => {
  const logout = vi.fn();
  const stop = subscribeToEvents({ logout }, () => {});
  emit("logout", () => ({ reason: "logout" as const, sessions: 1, had_login: true, at_portal: false }));
  emit("login.started", () => ({ login: "a", silent: false }));
  stop();
  emit("logout", () => ({ reason: "logout" as const, sessions: 1, had_login: true, at_portal: false }));
  expect(logout.mock.calls).toMatchObject([[{ instance: "default", had_login: true }]]);
  expect(channel(getChannelName("logout")).hasSubscribers).toBe(false);
});

test("one that throws harms neither who tells nor who else listens", () => {
  const [heard, failed] = [vi.fn(), vi.fn()];
  const broken = () => {
    throw new Error("broken");
  };
  onTestFinished(subscribeToEvents({ logout: broken }, failed));
  onTestFinished(subscribeToEvents({ logout: heard }, () => {}));
  emit("logout", () => ({ reason: "logout" as const, sessions: 1, had_login: false, at_portal: false }));
  expect(heard).toHaveBeenCalledOnce();
  expect(failed.mock.calls).toEqual([[new Error("broken"), "logout"]]);
});

test("where there is nothing to tell nobody is told", () => {
  const refused = vi.fn();
  onTestFinished(subscribeToEvents({ "session.refused": refused }, () => {}));
  emit("session.refused", () => undefined);
  expect(refused).not.toHaveBeenCalled();
});
