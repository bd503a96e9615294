import { type Channel, channel } from "node:diagnostics_channel";
import type { PortalAuthEvent, PortalAuthEventName, PortalAuthEvents } from "../contract/events.js";

const NAMES: Readonly<Record<PortalAuthEventName, true>> = {
  "login.started": true,
  "login.finished": true,
  "login.failed": true,
  "refresh.done": true,
  "refresh.joined": true,
  "refresh.failed": true,
  "lock.waited": true,
  logout: true,
  "session.rejected": true,
  failed: true,
};

export const EVENT_NAMES = Object.keys(NAMES) as PortalAuthEventName[];

/** Returns the name of the channel in node:diagnostics_channel that publishes an event. */
export const getChannelName = (name: PortalAuthEventName): string => `express-portal-auth:${name}`;

const channels = Object.fromEntries(
  EVENT_NAMES.map((name) => [name, channel(getChannelName(name))]),
) as Record<PortalAuthEventName, Channel>;

/** The members of an event beside those that every event has. */
export type EventDetails<Name extends PortalAuthEventName> = Omit<
  PortalAuthEvents[Name],
  keyof PortalAuthEvent
>;

/**
 * Publishes an event. Calls `createDetails` only if a subscriber listens. If it returns undefined, nothing is
 * published.
 */
export type EmitEvent = <Name extends PortalAuthEventName>(
  name: Name,
  createDetails: () => EventDetails<Name> | undefined,
) => void;

/** Receives every event in addition to the subscribers of its channel. */
type OnEvent = (event: PortalAuthEvent, name: PortalAuthEventName) => void;

/** Creates the function that publishes the events of one portalAuth(). */
export function createEventEmitter(
  { instance, issuer, client_id }: Omit<PortalAuthEvent, "at">,
  onEvent?: OnEvent,
): EmitEvent {
  return function emit(name, createDetails) {
    if (!channels[name].hasSubscribers && !onEvent) return;
    const details = createDetails();
    if (!details) return;
    const event = { at: Date.now(), instance, issuer, client_id, ...details };
    channels[name].publish(event);
    onEvent?.(event, name);
  };
}

/** Publishes nothing, for code that runs outside of a portalAuth(). */
export const emitNothing: EmitEvent = () => {};
