import { channel } from "node:diagnostics_channel";
import { expect, onTestFinished, test, vi } from "vitest";
import { createEventEmitter, getChannelName } from "../../lib/events/event-emitter.js";
import { subscribeToEvents } from "../../lib/events/subscribe-to-events.js";

const emit = createEventEmitter({ instance: "default", issuer: "https://portal.example", client_id: "app" });

test("a listener gets its events until the subscription is stopped", () => {
  const logout = vi.fn();
  const stop = subscribeToEvents({ logout }, () => {});
  emit("logout", () => ({ reason: "logout" as const, sessions: 1, had_login: true, at_provider: false }));
  emit("login.started", () => ({ login: "a", silent: false }));
  stop();
  emit("logout", () => ({ reason: "logout" as const, sessions: 1, had_login: true, at_provider: false }));
  expect(logout.mock.calls).toMatchObject([[{ instance: "default", had_login: true }]]);
  expect(channel(getChannelName("logout")).hasSubscribers).toBe(false);
});

test("a listener that throws does not affect the emitter and other listeners", () => {
  const listener = vi.fn();
  const onError = vi.fn();
  const broken = () => {
    throw new Error("broken");
  };
  onTestFinished(subscribeToEvents({ logout: broken }, onError));
  onTestFinished(subscribeToEvents({ logout: listener }, () => {}));
  emit("logout", () => ({ reason: "logout" as const, sessions: 1, had_login: false, at_provider: false }));
  expect(listener).toHaveBeenCalledOnce();
  expect(onError.mock.calls).toEqual([[new Error("broken"), "logout"]]);
});

test("an undefined event is not emitted", () => {
  const listener = vi.fn();
  onTestFinished(subscribeToEvents({ "session.rejected": listener }, () => {}));
  emit("session.rejected", () => undefined);
  expect(listener).not.toHaveBeenCalled();
});
