import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { onTestFinished } from "vitest";
import { channelName, EVENT_NAMES, type PortalAuthEventName, type PortalAuthEvents } from "../../lib/events.js";

export interface Heard {
  /** All that was told, in order. */
  readonly all: readonly { readonly name: PortalAuthEventName; readonly event: object }[];
  names(): string[];
  of<Name extends PortalAuthEventName>(name: Name): PortalAuthEvents[Name][];
}

/** Listens to every channel of ours until the test ends. */
export function listenToEvents(): Heard {
  const all: { name: PortalAuthEventName; event: object }[] = [];
  for (const name of EVENT_NAMES) {
    const listener = (event: unknown) => void all.push({ name, event: event as object });
    subscribe(channelName(name), listener);
    onTestFinished(() => void unsubscribe(channelName(name), listener));
  }
  return {
    all,
    names: () => all.map(({ name }) => name),
    of: (name) => all.flatMap((one) => (one.name === name ? [one.event as never] : [])),
  };
}
