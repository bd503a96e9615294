import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { EventEmitter, once } from "node:events";

/** The channels of undici, which fetch() is made of. */
const SENT = "undici:request:create";
const ANSWERED = ["undici:request:trailers", "undici:request:error"];

const AT_MOST_MS = 1000;

/**
 * Watches the requests of this process to an origin. `untilAnswered` waits until all of them have an answer, at most for a
 * second: a test may leave one without. An app revokes tokens in the background, and a provider that is closed meanwhile
 * would put a line into the log. `stop` ends the watch.
 */
export function watchRequests(origin: string) {
  const requests = new Set<object>();
  const events = new EventEmitter();
  const onSent = (message: unknown) => {
    const { request } = message as { request: { origin: string } };
    if (String(request.origin) === origin) requests.add(request);
  };
  const onAnswered = (message: unknown) => {
    const { request } = message as { request: object };
    if (requests.delete(request) && requests.size === 0) events.emit("idle");
  };
  subscribe(SENT, onSent);
  for (const channel of ANSWERED) subscribe(channel, onAnswered);
  return {
    async untilAnswered(): Promise<void> {
      if (requests.size > 0)
        await once(events, "idle", { signal: AbortSignal.timeout(AT_MOST_MS) }).catch(() => {});
    },
    stop(): void {
      unsubscribe(SENT, onSent);
      for (const channel of ANSWERED) unsubscribe(channel, onAnswered);
    },
  };
}
