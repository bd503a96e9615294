import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { EventEmitter, once } from "node:events";

/** Channels of undici, which implements fetch(). */
const SENT = "undici:request:create";
const ENDED = ["undici:request:trailers", "undici:request:error"];

const TIMEOUT_MS = 1000;

/** Turns of the event loop in which code that has got a response may send its next request. */
const TURNS = 10;

const realImmediate = setImmediate;

export interface RequestWatch {
  /**
   * Waits until all requests have a response and no further request follows. After 1 s it waits no longer,
   * because a test may leave a request without a response.
   */
  untilIdle(): Promise<void>;
  stop(): void;
}

/**
 * Watches the requests of this process to an origin. An app revokes tokens in the background. If the provider
 * is closed meanwhile, the app logs a failure.
 */
export function watchRequests(origin: string): RequestWatch {
  const requests = new Set<object>();
  const events = new EventEmitter();
  const onSent = (message: unknown) => {
    const { request } = message as { request: { origin: string } };
    if (String(request.origin) === origin) requests.add(request);
  };
  const onEnded = (message: unknown) => {
    const { request } = message as { request: object };
    if (requests.delete(request) && requests.size === 0) events.emit("idle");
  };
  subscribe(SENT, onSent);
  for (const channel of ENDED) subscribe(channel, onEnded);
  return {
    async untilIdle() {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      do {
        if (requests.size > 0) await once(events, "idle", { signal }).catch(() => {});
        for (let turn = 0; turn < TURNS; turn += 1) await new Promise((resolve) => realImmediate(resolve));
      } while (requests.size > 0 && !signal.aborted);
    },
    stop() {
      unsubscribe(SENT, onSent);
      for (const channel of ENDED) unsubscribe(channel, onEnded);
    },
  };
}
