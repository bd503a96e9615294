import { diag, type MeterProvider, metrics, type TracerProvider, trace } from "@opentelemetry/api";
import { subscribeToEvents } from "../events/subscribe-to-events.js";
import { createMetricListeners } from "./metrics.js";
import { createSpanListeners } from "./spans.js";

/** Options of instrumentPortalAuth(). */
export interface InstrumentOptions {
  /** Default: the global one. */
  readonly tracerProvider?: TracerProvider;
  /** Default: the global one. */
  readonly meterProvider?: MeterProvider;
}

const SCOPE_NAME = "express-portal-auth";

/**
 * Reports logins and refreshes of every portalAuth() in this process to OpenTelemetry: spans below the span
 * of their request, counters and histograms. They contain no user data and no secrets. Call it once, after
 * your SDK has started.
 *
 * @returns a function that ends the instrumentation
 */
export function instrumentPortalAuth({ tracerProvider, meterProvider }: InstrumentOptions = {}): () => void {
  const tracer = (tracerProvider ?? trace).getTracer(SCOPE_NAME);
  const meter = (meterProvider ?? metrics).getMeter(SCOPE_NAME);
  const unsubscribers = [createSpanListeners(tracer), createMetricListeners(meter)].map((listeners) =>
    subscribeToEvents(listeners, (error, name) =>
      diag.error(`${SCOPE_NAME}: ${name} could not be recorded`, error),
    ),
  );
  return function stop() {
    for (const one of unsubscribers) one();
  };
}
