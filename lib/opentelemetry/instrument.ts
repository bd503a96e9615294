import { diag, type MeterProvider, metrics, type TracerProvider, trace } from "@opentelemetry/api";
import { listen } from "../events/subscribe-to-events.js";
import { metricListeners } from "./metrics.js";
import { spanListeners } from "./spans.js";

/** Where instrumentPortalAuth() tells. */
export interface InstrumentOptions {
  /** Default: the global one. */
  readonly tracerProvider?: TracerProvider;
  /** Default: the global one. */
  readonly meterProvider?: MeterProvider;
}

const NAME = "express-portal-auth";

/**
 * Tells OpenTelemetry of logins and refreshes: spans below the span of their request, counters and histograms, of every
 * portalAuth() in this process. Call it once, after your SDK has started. Nothing of a person and no secret stands in any
 * of them.
 *
 * @returns stops it
 */
export function instrumentPortalAuth({ tracerProvider, meterProvider }: InstrumentOptions = {}): () => void {
  const tracer = (tracerProvider ?? trace).getTracer(NAME);
  const meter = (meterProvider ?? metrics).getMeter(NAME);
  const stops = [spanListeners(tracer), metricListeners(meter)].map((listeners) =>
    listen(listeners, (error, name) => diag.error(`${NAME}: ${name} could not be recorded`, error)),
  );
  return function stop() {
    for (const one of stops) one();
  };
}
