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
/** What a benchmark calls the parts of its size, and the options that change them. */
const COUNTS = {
  launches: "launches",
  warmUp: "warm-up",
  rounds: "rounds",
  requests: "requests",
  seconds: "seconds",
  sessions: "sessions",
  processes: "processes",
  rate: "rate",
};

/** Of the application in a storm. Without the option portalAuth() mounts the session. */
const SESSIONS = ["createStore", "connect-redis"];

function leave(status, reason) {
  killAll();
  console.error(reason);
  process.exit(status);
}

const count = (text, name) => {
  if (text === undefined) return undefined;
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new Error(`--${name} wants a number from 1 to 999999`);
};

function settle() {
  const options = [...Object.values(COUNTS), "from", "profile", "session"].map((name) => [
    name,
    { type: "string" },
  ]);
  const { values, positionals } = parseArgs({ allowPositionals: true, options: Object.fromEntries(options) });
  const names = BENCHMARKS.map(({ name }) => name);
  const unknown = positionals.find((name) => !names.includes(name));
  if (unknown) throw new Error(`there is no benchmark ${unknown}, but ${names.join(", ")}`);
  const chosen = BENCHMARKS.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  const wished = { from: resolve(values.from ?? fileURLToPath(new URL("../..", import.meta.url))) };
  for (const [name, option] of Object.entries(COUNTS)) {
    const given = count(values[option], option);
    if (given) wished[name] = given;
  }
  const { session } = values;
  if (session && !SESSIONS.includes(session)) throw new Error(`--session is one of ${SESSIONS.join(", ")}`);
  if (session) wished.session = session;
  if (values.profile) wished.profile = resolve(values.profile);
  const sizeOf = ({ size, sizeAmongAll }) => (positionals.length > 0 ? size : { ...size, ...sizeAmongAll });
  return chosen.map((benchmark) => [benchmark, { ...sizeOf(benchmark), ...wished }]);
}

async function run(benchmark, size) {
  if (benchmark.missing) return console.log(`\n${benchmark.name}: ${benchmark.missing}`);
  if (!benchmark.run) return console.log(report(benchmark, size, await measure(benchmark, size)));
  const { text, held } = await benchmark.run(size);
  console.log(text);
  if (!held) process.exitCode = 1;
}

process.once("SIGINT", () => leave(130, "stopped"));
process.once("SIGTERM", () => leave(143, "stopped"));
setTimeout(() => leave(1, `not done after ${LIMIT_MINUTES} minutes`), LIMIT_MINUTES * 60_000).unref();

try {
  for (const [benchmark, size] of settle()) await run(benchmark, size);
} catch (error) {
  leave(1, error instanceof Error ? error.message : error);
}
