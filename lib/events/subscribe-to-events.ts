import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { PortalAuthEventName, PortalAuthEvents } from "../contract/events.js";
import { getChannelName } from "../events/event-emitter.js";

/** What shall be called for which event. */
export type EventListeners = {
  readonly [Name in PortalAuthEventName]?: (event: PortalAuthEvents[Name]) => void;
};

/**
 * Listens until the function that it gives is called.
 *
 * @param failed told of a listener that throws: Node.js would end the process, as for a subscriber of a channel it does
 */
export function subscribeToEvents(
  listeners: EventListeners,
  onListenerError: (error: unknown, name: PortalAuthEventName) => void,
): () => void {
  const unsubscribers = (Object.keys(listeners) as PortalAuthEventName[]).map((name) => {
    const listener = listeners[name] as ((event: unknown) => void) | undefined;
    const safeListener = (event: unknown) => {
      try {
        listener?.(event);
      } catch (error) {
        onListenerError(error, name);
      }
    };
    subscribe(getChannelName(name), safeListener);
    return () => void unsubscribe(getChannelName(name), safeListener);
  });
  return () => {
    for (const stop of unsubscribers) stop();
  };
}
