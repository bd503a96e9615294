import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { diag } from "@opentelemetry/api";
import { channelName, type PortalAuthEventName, type PortalAuthEvents } from "../events.js";

export type Listeners = { readonly [Name in PortalAuthEventName]?: (event: PortalAuthEvents[Name]) => void };

/** Listens until the function that it gives is called. Node.js would end the process for a listener that throws. */
export function listen(listeners: Listeners): () => void {
  const stops = (Object.keys(listeners) as PortalAuthEventName[]).map((name) => {
    const listener = listeners[name] as ((event: unknown) => void) | undefined;
    const careful = (event: unknown) => {
      try {
        listener?.(event);
      } catch (error) {
        diag.error(`express-portal-auth: ${name} could not be recorded`, error);
      }
    };
    subscribe(channelName(name), careful);
    return () => void unsubscribe(channelName(name), careful);
  });
  return () => {
    for (const stop of stops) stop();
  };
}
