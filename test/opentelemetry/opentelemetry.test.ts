import { channel } from "node:diagnostics_channel";
import { context, diag, SpanStatusCode, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { createEventEmitter, EVENT_NAMES, getChannelName } from "../../lib/events/event-emitter.js";
import { instrumentPortalAuth } from "../../lib/opentelemetry/index.js";
import { json, logIn } from "../access/signed-in-request.js";
import { secretsOf, startWorld, type WorldOptions } from "../support/world.js";

/** Starts the SDK of OpenTelemetry with exporters that store everything in memory. */
function startTelemetry() {
  const spans = new InMemorySpanExporter();
  const tracerProvider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] });
  const metrics = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter: metrics, exportIntervalMillis: 1e8 });
  const meterProvider = new MeterProvider({ readers: [reader] });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  const stop = instrumentPortalAuth({ tracerProvider, meterProvider });
  onTestFinished(async () => {
    stop();
    context.disable();
    await Promise.all([tracerProvider.shutdown(), meterProvider.shutdown()]);
  });
  /** Returns each data point with its name, unit, count or value, and attributes. */
  async function readPoints() {
    metrics.reset();
    await reader.forceFlush();
    const exported = metrics
      .getMetrics()
      .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics));
    return exported.flatMap(({ descriptor, dataPoints }) =>
      dataPoints.map(({ value, attributes }) => ({
        name: descriptor.name,
        unit: descriptor.unit,
        count: typeof value === "number" ? value : Number(Object(value).count),
        attributes,
      })),
    );
  }
  return { spans, tracer: tracerProvider.getTracer("test"), readPoints, stop };
}

const ATTRIBUTES = {
  "portal_auth.instance": "default",
  "server.address": "127.0.0.1",
  "server.port": expect.any(Number),
};

/** Runs each request in a span, as the http instrumentation does. */
const withServerSpans = (tracer: ReturnType<typeof startTelemetry>["tracer"]): WorldOptions => ({
  before: (app) =>
    app.use((req, res, next) => {
      const span = tracer.startSpan(`${req.method} ${req.path}`);
      res.on("finish", () => span.end());
      context.with(trace.setSpan(context.active(), span), next);
    }),
});

describe("a login", () => {
  test("is a child span of its request, with a child span for each step", async () => {
    const { spans, tracer } = startTelemetry();
    const { url, browser } = await startWorld(withServerSpans(tracer));
    const before = Date.now();
    await browser.visit(`${url}/account`);
    const all = spans.getFinishedSpans();
    const login = all.find(({ name }) => name === "portal_auth login");
    const server = all.find(({ name }) => name === "GET /callback");
    expect(login?.parentSpanContext?.spanId).toBe(server?.spanContext().spanId);
    expect(login?.attributes).toEqual({
      ...ATTRIBUTES,
      "portal_auth.outcome": "ok",
      "portal_auth.login": expect.stringMatching(/^[\w-]{16}$/),
    });
    expect(login?.status.code).toBe(SpanStatusCode.UNSET);
    const steps = all.filter(
      ({ parentSpanContext }) => parentSpanContext?.spanId === login?.spanContext().spanId,
    );
    expect(steps.map(({ name }) => name)).toEqual(
      ["callback", "discovery", "state", "exchange", "checks", "hooks", "session"].map(
        (step) => `portal_auth login ${step}`,
      ),
    );
    const millis = ([seconds, nanos]: readonly [number, number]) => seconds * 1000 + nanos / 1e6;
    expect(millis(login?.startTime ?? [0, 0])).toBeGreaterThanOrEqual(before - 1);
    for (const step of steps) {
      expect(millis(step.startTime)).toBeGreaterThanOrEqual(millis(login?.startTime ?? [0, 0]) - 1);
      expect(millis(step.endTime)).toBeLessThanOrEqual(millis(login?.endTime ?? [0, 0]) + 1);
    }
  });

  test("is counted, and its duration is measured in seconds", async () => {
    const { readPoints } = startTelemetry();
    const { url, browser } = await startWorld();
    await browser.visit(`${url}/account`);
    expect(await readPoints()).toEqual([
      { name: "portal_auth.login.started", unit: "{login}", count: 1, attributes: ATTRIBUTES },
      {
        name: "portal_auth.login.duration",
        unit: "s",
        count: 1,
        attributes: { ...ATTRIBUTES, "portal_auth.outcome": "ok" },
      },
    ]);
  });

  test.each([
    ["code_refused", SpanStatusCode.ERROR, "code_refused"],
    ["login_denied", SpanStatusCode.UNSET, undefined],
  ])("that ends with %s has the right status", async (code, status, type) => {
    const { spans, readPoints } = startTelemetry();
    const { url, browser, provider } = await startWorld({ log: [/code_refused|login_denied/] });
    if (code === "code_refused") provider.answerNext("/oauth2/token", json(400, { error: "invalid_grant" }));
    else browser.user = { deny: "yes" };
    await browser.visit(`${url}/account`);
    const login = spans.getFinishedSpans().find(({ name }) => name === "portal_auth login");
    expect(login?.status.code).toBe(status);
    expect(login?.attributes).toMatchObject({ "portal_auth.outcome": code });
    expect(login?.attributes["error.type"]).toBe(type);
    const measured = (await readPoints()).filter(({ name }) => name === "portal_auth.login.duration");
    expect(measured.map(({ attributes }) => attributes["portal_auth.outcome"])).toEqual([code]);
  });
});

test("refreshes, logouts and rejected sessions are recorded", async () => {
  const { spans, readPoints } = startTelemetry();
  const { ask, later, provider, url, browser } = await logIn({
    log: [/portal_failed/],
    session: "app",
    options: { sessionAbsolute: 3600 },
  });
  later(301);
  await ask();
  later(301);
  provider.answerNext("/oauth2/token", json(503, {}));
  await ask();
  later(3600);
  await browser.fetch(`${url}/account`);
  await browser.navigate(`${url}/logout`, { site: "same-origin" });
  const refreshes = spans.getFinishedSpans().filter(({ name }) => name === "portal_auth refresh");
  expect(refreshes.map(({ status, attributes }) => [status.code, attributes["portal_auth.outcome"]])).toEqual(
    [
      [SpanStatusCode.UNSET, "ok"],
      [SpanStatusCode.ERROR, "portal_failed"],
    ],
  );
  const counted = Object.fromEntries(
    (await readPoints()).map(({ name, count, attributes }) => [
      [
        name,
        attributes["portal_auth.outcome"] ?? attributes["portal_auth.reason"] ?? attributes["error.type"],
      ].join(" "),
      count,
    ]),
  );
  expect(counted).toMatchObject({
    "portal_auth.refresh.duration ok": 1,
    "portal_auth.refresh.duration portal_failed": 1,
    "portal_auth.sessions.rejected too_old": 1,
    "portal_auth.logouts ": 1,
    "portal_auth.failures portal_failed": expect.any(Number),
  });
});

test("requests that join a refresh, and waits for another process, are measured", async () => {
  const { readPoints } = startTelemetry();
  const emit = createEventEmitter({ instance: "staff", issuer: "https://portal.example", client_id: "app" });
  emit("refresh.joined", () => ({ refresh: 1 }));
  emit("lock.waited", () => ({ refresh: 1, waited: 120, refreshed: true }));
  const attributes = {
    "portal_auth.instance": "staff",
    "server.address": "portal.example",
    "server.port": 443,
  };
  expect(await readPoints()).toEqual([
    { name: "portal_auth.refresh.joined", unit: "{request}", count: 1, attributes },
    { name: "portal_auth.lock.wait.duration", unit: "s", count: 1, attributes },
  ]);
});

test("no user data and no secrets are exported", async () => {
  const { spans, readPoints } = startTelemetry();
  const { url, browser, provider, ask, later } = await logIn();
  later(301);
  await ask();
  await browser.navigate(`${url}/logout`, { site: "same-origin" });
  const exported = JSON.stringify([
    ...spans.getFinishedSpans().map(({ name, attributes, events }) => [name, attributes, events]),
    ...(await readPoints()),
  ]);
  for (const secret of [...secretsOf(provider, browser.answers, url), ...provider.issued, "amara-okafor"])
    expect(exported).not.toContain(secret);
});

test("a failure of OpenTelemetry does not affect logins, and is reported in its log", async () => {
  const { tracer } = startTelemetry();
  const error = vi.fn();
  diag.setLogger({ error, warn: () => {}, info: () => {}, debug: () => {}, verbose: () => {} });
  onTestFinished(() => diag.disable());
  const broken = {
    getTracer: () => ({
      ...tracer,
      startSpan: () => {
        throw new Error("broken");
      },
    }),
  };
  onTestFinished(instrumentPortalAuth({ tracerProvider: broken as never }));
  const { url, browser } = await startWorld();
  expect((await browser.visit(`${url}/account`)).status).toBe(200);
  expect(error).toHaveBeenCalled();
});

test("after stop() there are no subscribers", () => {
  startTelemetry().stop();
  for (const name of EVENT_NAMES) expect(channel(getChannelName(name)).hasSubscribers).toBe(false);
});
