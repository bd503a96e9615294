import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { channelName, type PortalAuthEventName, type PortalAuthEvents } from "../contract/events.js";

/** What shall be called for which event. */
export type Listeners = { readonly [Name in PortalAuthEventName]?: (event: PortalAuthEvents[Name]) => void };

/**
 * Listens until the function that it gives is called.
 *
 * @param failed told of a listener that throws: Node.js would end the process, as for a subscriber of a channel it does
 */
export function listen(
  listeners: Listeners,
  failed: (error: unknown, name: PortalAuthEventName) => void,
): () => void {
  const stops = (Object.keys(listeners) as PortalAuthEventName[]).map((name) => {
    const listener = listeners[name] as ((event: unknown) => void) | undefined;
    const careful = (event: unknown) => {
      try {
        listener?.(event);
      } catch (error) {
        failed(error, name);
      }
    };
    subscribe(channelName(name), careful);
    return () => void unsubscribe(channelName(name), careful);
  });
  return () => {
    for (const stop of stops) stop();
  };
}
