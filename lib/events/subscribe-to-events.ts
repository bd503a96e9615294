import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { PortalAuthEventName, PortalAuthEvents } from "../contract/events.js";
import { getChannelName } from "./event-emitter.js";

/** A function for each event that the subscriber needs. */
export type EventListeners = {
  readonly [Name in PortalAuthEventName]?: (event: PortalAuthEvents[Name]) => void;
};

/**
 * Subscribes listeners to the events of all portalAuth() in this process.
 *
 * @param onListenerError receives the error of a listener. Without it, Node.js would end the process.
 * @returns a function that ends the subscription
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
    return () => unsubscribe(getChannelName(name), safeListener);
  });
  return () => {
    for (const stop of unsubscribers) stop();
  };
}
