import { onTestFinished } from "vitest";
import type { PortalAuthEventName, PortalAuthEvents } from "../../lib/contract/events.js";
import { EVENT_NAMES } from "../../lib/events/event-emitter.js";
import { type EventListeners, subscribeToEvents } from "../../lib/events/subscribe-to-events.js";

/** The events that were emitted since the subscription. */
export interface RecordedEvents {
  /** All events, in order. */
  readonly all: readonly { readonly name: PortalAuthEventName; readonly event: object }[];
  /** Returns the names of all events, in order. */
  names(): string[];
  /** Returns the events with this name, in order. */
  of<Name extends PortalAuthEventName>(name: Name): PortalAuthEvents[Name][];
}

/** Subscribes to all our channels until the test ends. */
export function listenToEvents(): RecordedEvents {
  const all: { name: PortalAuthEventName; event: object }[] = [];
  const listeners = EVENT_NAMES.map((name) => [name, (event: object) => void all.push({ name, event })]);
  onTestFinished(
    subscribeToEvents(Object.fromEntries(listeners) as EventListeners, (error) => {
      throw error;
    }),
  );
  return {
    all,
    names: () => all.map(({ name }) => name),
    of: (name) => all.filter((recorded) => recorded.name === name).map(({ event }) => event as never),
  };
}
