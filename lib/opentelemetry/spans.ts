import { type Attributes, context, SpanStatusCode, type Tracer, trace } from "@opentelemetry/api";
import type { LoginFailed, LoginFinished, RefreshDone, RefreshFailed } from "../contract/events.js";
import { isExpectedOutcome } from "../errors/error-codes.js";
import type { EventListeners } from "../events/subscribe-to-events.js";
import { createAttributes, createOutcomeAttributes } from "./attributes.js";

/**
 * Creates the listeners that record a span for each callback and each refresh, below the active span: that of
 * the request. The spans are created afterwards, from the times in the events.
 */
export function createSpanListeners(tracer: Tracer): EventListeners {
  return {
    "login.finished": (event) => recordLoginSpan(tracer, event, undefined),
    "login.failed": (event) => recordLoginSpan(tracer, event, event.code),
    "refresh.done": (event) =>
      recordRefreshSpan(tracer, event, undefined, { "portal_auth.rotated": event.rotated }),
    "refresh.failed": (event) =>
      recordRefreshSpan(tracer, event, event.code, { "portal_auth.ends_session": event.ends_session }),
  };
}

function recordLoginSpan(tracer: Tracer, event: LoginFinished | LoginFailed, code: string | undefined): void {
  const startTime = event.at - event.took;
  const attributes = {
    ...createAttributes(event),
    ...createOutcomeAttributes(code),
    ...(event.login !== undefined && { "portal_auth.login": event.login }),
  };
  const span = tracer.startSpan("portal_auth login", { startTime, attributes });
  const spanContext = trace.setSpan(context.active(), span);
  for (const { step, from, took } of event.steps) {
    const stepStart = startTime + from;
    tracer
      .startSpan(`portal_auth login ${step}`, { startTime: stepStart }, spanContext)
      .end(stepStart + took);
  }
  if (code !== undefined && !isExpectedOutcome(code)) span.setStatus({ code: SpanStatusCode.ERROR });
  span.end(event.at);
}

function recordRefreshSpan(
  tracer: Tracer,
  event: RefreshDone | RefreshFailed,
  code: string | undefined,
  more: Attributes,
): void {
  const attributes = { ...createAttributes(event), ...createOutcomeAttributes(code), ...more };
  const span = tracer.startSpan("portal_auth refresh", { startTime: event.at - event.took, attributes });
  if (code !== undefined) span.setStatus({ code: SpanStatusCode.ERROR });
  span.end(event.at);
}
