import { diag, type MeterProvider, metrics, type TracerProvider, trace } from "@opentelemetry/api";
import { subscribeToEvents } from "../events/subscribe-to-events.js";
import { createMetricListeners } from "./metrics.js";
import { createSpanListeners } from "./spans.js";

/** Where instrumentPortalAuth() tells. */
export interface InstrumentOptions {
  /** Default: the global one. */
  readonly tracerProvider?: TracerProvider;
  /** Default: the global one. */
  readonly meterProvider?: MeterProvider;
}

const SCOPE_NAME = "express-portal-auth";

/**
 * Tells OpenTelemetry of logins and refreshes: spans below the span of their request, counters and histograms, of every
 * portalAuth() in this process. Call it once, after your SDK has started. Nothing of a person and no secret stands in any
 * of them.
 *
 * @returns stops it
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
