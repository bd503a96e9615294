import { type Attributes, context, SpanStatusCode, type Tracer, trace } from "@opentelemetry/api";
import type { LoginFailed, LoginFinished, RefreshDone, RefreshFailed } from "../contract/events.js";
import { isOrdinary } from "../errors/portal-auth-error.js";
import type { Listeners } from "../events/subscribe-to-events.js";
import { attributesOf, outcomeOf } from "./attributes.js";

/**
 * A span for each callback and each refresh, below the span that is active when it ends: that of the request. They are
 * made afterwards, of the times that the events tell.
 */
export function spanListeners(tracer: Tracer): Listeners {
  return {
    "login.finished": (event) => loginSpan(tracer, event, undefined),
    "login.failed": (event) => loginSpan(tracer, event, event.code),
    "refresh.done": (event) =>
      refreshSpan(tracer, event, undefined, { "portal_auth.rotated": event.rotated }),
    "refresh.failed": (event) =>
      refreshSpan(tracer, event, event.code, { "portal_auth.ends_session": event.ends_session }),
  };
}

function loginSpan(tracer: Tracer, event: LoginFinished | LoginFailed, code: string | undefined): void {
  const startTime = event.at - event.took;
  const attributes = {
    ...attributesOf(event),
    ...outcomeOf(code),
    ...(event.login !== undefined && { "portal_auth.login": event.login }),
  };
  const span = tracer.startSpan("portal_auth login", { startTime, attributes });
  const inside = trace.setSpan(context.active(), span);
  for (const { step, from, took } of event.steps) {
    const begins = startTime + from;
    tracer.startSpan(`portal_auth login ${step}`, { startTime: begins }, inside).end(begins + took);
  }
  if (code !== undefined && !isOrdinary(code)) span.setStatus({ code: SpanStatusCode.ERROR });
  span.end(event.at);
}

function refreshSpan(
  tracer: Tracer,
  event: RefreshDone | RefreshFailed,
  code: string | undefined,
  more: Attributes,
): void {
  const attributes = { ...attributesOf(event), ...outcomeOf(code), ...more };
  const span = tracer.startSpan("portal_auth refresh", { startTime: event.at - event.took, attributes });
  if (code !== undefined) span.setStatus({ code: SpanStatusCode.ERROR });
  span.end(event.at);
}
