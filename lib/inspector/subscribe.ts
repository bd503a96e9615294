import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { channelName, EVENT_NAMES, type PortalAuthEventName, type PortalAuthEvents } from "../events.js";

/** An event with its name, so that a `switch` over the name knows the event. */
export type Named = {
  [Name in PortalAuthEventName]: { readonly name: Name; readonly event: PortalAuthEvents[Name] };
}[PortalAuthEventName];

/** Listens to all channels, until the function that it gives is called. */
export function subscribeAll(listener: (told: Named) => void): () => void {
  const ends = EVENT_NAMES.map((name) => {
    const hear = (event: unknown) => listener({ name, event } as Named);
    subscribe(channelName(name), hear);
    return () => void unsubscribe(channelName(name), hear);
  });
  return () => {
    for (const end of ends) end();
  };
}
