import type { Meter } from "@opentelemetry/api";
import type { EventListeners } from "../events/subscribe-to-events.js";
import { createAttributes, createOutcomeAttributes } from "./attributes.js";

/** In seconds: from what a near portal needs to what nobody waits for (as for http.server.request.duration). */
const BOUNDARIES = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30];

/** Counts and durations. Nothing that grows with people or requests is an attribute of theirs. */
export function createMetricListeners(meter: Meter): EventListeners {
  const duration = (name: string, description: string) =>
    meter.createHistogram(name, { description, unit: "s", advice: { explicitBucketBoundaries: BOUNDARIES } });
  const count = (name: string, unit: string, description: string) =>
    meter.createCounter(name, { description, unit });

  const started = count("portal_auth.login.started", "{login}", "Browsers that were sent to the portal.");
  const logins = duration("portal_auth.login.duration", "How long callbacks took, and what became of them.");
  const refreshes = duration(
    "portal_auth.refresh.duration",
    "How long refreshes took, and what became of them.",
  );
  const joined = count(
    "portal_auth.refresh.joined",
    "{request}",
    "Requests that shared a refresh under way.",
  );
  const waits = duration("portal_auth.lock.wait.duration", "How long refreshes waited for another process.");
  const logouts = count("portal_auth.logouts", "{logout}", "Logouts.");
  const refused = count("portal_auth.sessions.refused", "{session}", "Sessions whose login did not count.");
  const failures = count("portal_auth.failures", "{failure}", "Failures that were answered or logged.");

  return {
    "login.started": (event) => started.add(1, createAttributes(event)),
    "login.finished": (event) =>
      logins.record(event.took / 1000, { ...createAttributes(event), ...createOutcomeAttributes(undefined) }),
    "login.failed": (event) =>
      logins.record(event.took / 1000, {
        ...createAttributes(event),
        ...createOutcomeAttributes(event.code),
      }),
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
    logout: (event) =>
      logouts.add(1, { ...createAttributes(event), "portal_auth.had_login": event.had_login }),
    "session.refused": (event) =>
      refused.add(1, { ...createAttributes(event), "portal_auth.reason": event.reason }),
    failed: (event) => failures.add(1, { ...createAttributes(event), "error.type": event.code }),
  };
}
