import type { Meter } from "@opentelemetry/api";
import type { EventListeners } from "../events/subscribe-to-events.js";
import { createAttributes, createOutcomeAttributes } from "./attributes.js";

/** Bucket boundaries in seconds, as for http.server.request.duration, and one more for slow providers. */
const BOUNDARIES = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30];

const createDuration = (meter: Meter, name: string, description: string) =>
  meter.createHistogram(name, { description, unit: "s", advice: { explicitBucketBoundaries: BOUNDARIES } });

const createCount = (meter: Meter, name: string, unit: string, description: string) =>
  meter.createCounter(name, { description, unit });

/** Creates the listeners that record counts and durations. No attribute contains a user or a request. */
export const createMetricListeners = (meter: Meter): EventListeners => ({
  ...createLoginListeners(meter),
  ...createRefreshListeners(meter),
  ...createOtherListeners(meter),
});

function createLoginListeners(meter: Meter): EventListeners {
  const started = createCount(meter, "portal_auth.login.started", "{login}", "Redirects to the provider.");
  const logins = createDuration(meter, "portal_auth.login.duration", "Duration of callbacks, by outcome.");
  return {
    "login.started": (event) => started.add(1, createAttributes(event)),
    "login.finished": (event) =>
      logins.record(event.took / 1000, { ...createAttributes(event), ...createOutcomeAttributes(undefined) }),
    "login.failed": (event) =>
      logins.record(event.took / 1000, {
        ...createAttributes(event),
        ...createOutcomeAttributes(event.code),
      }),
  };
}

function createRefreshListeners(meter: Meter): EventListeners {
  const refreshes = createDuration(
    meter,
    "portal_auth.refresh.duration",
    "Duration of refreshes, by outcome.",
  );
  const joined = createCount(
    meter,
    "portal_auth.refresh.joined",
    "{request}",
    "Requests that shared a running refresh.",
  );
  const waits = createDuration(
    meter,
    "portal_auth.lock.wait.duration",
    "Time that refreshes waited for another process.",
  );
  return {
    "refresh.done": (event) =>
      refreshes.record(event.took / 1000, {
        ...createAttributes(event),
        ...createOutcomeAttributes(undefined),
      }),
    "refresh.failed": (event) =>
      refreshes.record(event.took / 1000, {
        ...createAttributes(event),
        ...createOutcomeAttributes(event.code),
      }),
    "refresh.joined": (event) => joined.add(1, createAttributes(event)),
    "lock.waited": (event) => waits.record(event.waited / 1000, createAttributes(event)),
  };
}

function createOtherListeners(meter: Meter): EventListeners {
  const logouts = createCount(meter, "portal_auth.logouts", "{logout}", "Logouts.");
  const refused = createCount(
    meter,
    "portal_auth.sessions.rejected",
    "{session}",
    "Sessions whose login did not count.",
  );
  const failures = createCount(
    meter,
    "portal_auth.failures",
    "{failure}",
    "Failures that were answered or logged.",
  );
  return {
    logout: (event) =>
      logouts.add(1, { ...createAttributes(event), "portal_auth.had_login": event.had_login }),
    "session.rejected": (event) =>
      refused.add(1, { ...createAttributes(event), "portal_auth.reason": event.reason }),
    failed: (event) => failures.add(1, { ...createAttributes(event), "error.type": event.code }),
  };
}
