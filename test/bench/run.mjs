// npm run bench [-- NAME…] [--OPTION …]: see README.md

import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { guard } from "./benchmarks/guard.mjs";
import { guardRedis } from "./benchmarks/guard-redis.mjs";
import { login } from "./benchmarks/login.mjs";
import { logout } from "./benchmarks/logout.mjs";
import { ownSession } from "./benchmarks/own-session.mjs";
import { ownSessionRedis } from "./benchmarks/own-session-redis.mjs";
import { refresh } from "./benchmarks/refresh.mjs";
import { roundTrips } from "./benchmarks/round-trips.mjs";
import { standstill } from "./benchmarks/standstill.mjs";
import { measure } from "./runner/measure.mjs";
import { killAll } from "./runner/process.mjs";
import { report } from "./runner/report.mjs";

const BENCHMARKS = [
  guard,
  guardRedis,
  ownSession,
  ownSessionRedis,
  login,
  refresh,
  standstill,
  logout,
  roundTrips,
];
const LIMIT_MINUTES = 15;
/** The members of a benchmark's size, each with the option that changes it. */
const SIZE_OPTIONS = {
  launches: "launches",
  warmUp: "warm-up",
  rounds: "rounds",
  requests: "requests",
  seconds: "seconds",
  sessions: "sessions",
  processes: "processes",
  rate: "rate",
};

/**
 * Values of --session, for the application of a storm. Without the option portalAuth() mounts the session.
 */
const SESSIONS = ["createStore", "connect-redis"];

function exit(status, reason) {
  killAll();
  console.error(reason);
  process.exit(status);
}

const parseNumber = (text, option) => {
  if (text === undefined) return undefined;
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new Error(`--${option} needs a number from 1 to 999999`);
};

/** Parses the command line. Returns the chosen benchmarks, each with its size. */
function parseCommandLine() {
  const names = [...Object.values(SIZE_OPTIONS), "from", "profile", "session"];
  const options = Object.fromEntries(names.map((name) => [name, { type: "string" }]));
  const { values, positionals } = parseArgs({ allowPositionals: true, options });
  const overrides = resolveOverrides(values);
  const getSize = ({ size, sizeAmongAll }) => (positionals.length > 0 ? size : { ...size, ...sizeAmongAll });
  return chooseBenchmarks(positionals).map((benchmark) => [
    benchmark,
    { ...getSize(benchmark), ...overrides },
  ]);
}

function chooseBenchmarks(chosen) {
  const names = BENCHMARKS.map(({ name }) => name);
  const unknown = chosen.find((name) => !names.includes(name));
  if (unknown) throw new Error(`there is no benchmark ${unknown}, only ${names.join(", ")}`);
  return BENCHMARKS.filter(({ name }) => chosen.length === 0 || chosen.includes(name));
}

/** Returns the members of the size that the options change. */
function resolveOverrides(values) {
  const overrides = { from: resolve(values.from ?? fileURLToPath(new URL("../..", import.meta.url))) };
  for (const [name, option] of Object.entries(SIZE_OPTIONS)) {
    const number = parseNumber(values[option], option);
    if (number) overrides[name] = number;
  }
  const { session, profile } = values;
  if (session && !SESSIONS.includes(session))
    throw new Error(`--session must be one of ${SESSIONS.join(", ")}`);
  if (session) overrides.session = session;
  if (profile) overrides.profile = resolve(profile);
  return overrides;
}

async function run(benchmark, size) {
  if (benchmark.missing) return console.log(`\n${benchmark.name}: ${benchmark.missing}`);
  if (!benchmark.run) return console.log(report(benchmark, size, await measure(benchmark, size)));
  const { text, isMet } = await benchmark.run(size);
  console.log(text);
  if (!isMet) process.exitCode = 1;
}

process.once("SIGINT", () => exit(130, "stopped"));
process.once("SIGTERM", () => exit(143, "stopped"));
setTimeout(() => exit(1, `not finished after ${LIMIT_MINUTES} minutes`), LIMIT_MINUTES * 60_000).unref();

try {
  for (const [benchmark, size] of parseCommandLine()) await run(benchmark, size);
} catch (error) {
  exit(1, error instanceof Error ? error.message : error);
}
