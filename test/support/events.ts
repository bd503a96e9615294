import { onTestFinished } from "vitest";
import type { PortalAuthEventName, PortalAuthEvents } from "../../lib/contract/events.js";
import { EVENT_NAMES } from "../../lib/events/event-emitter.js";
import { type EventListeners, subscribeToEvents } from "../../lib/events/subscribe-to-events.js";

export interface Heard {
  /** All events, in order. */
  readonly all: readonly { readonly name: PortalAuthEventName; readonly event: object }[];
  names(): string[];
  of<Name extends PortalAuthEventName>(name: Name): PortalAuthEvents[Name][];
}

/** Subscribes to all our channels until the test ends. */
export function listenToEvents(): Heard {
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
    of: (name) => all.flatMap((one) => (one.name === name ? [one.event as never] : [])),
  };
}
