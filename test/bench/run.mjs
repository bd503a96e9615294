// npm run bench [-- NAME…] [--launches N] [--warm-up N] [--rounds N] [--requests N] [--from DIR] [--profile DIR]: see README.md

import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { guard } from "./benchmarks/guard.mjs";
import { login } from "./benchmarks/login.mjs";
import { ownSession } from "./benchmarks/own-session.mjs";
import { measure } from "./runner/measure.mjs";
import { killAll } from "./runner/process.mjs";
import { report } from "./runner/report.mjs";

const BENCHMARKS = [guard, ownSession, login];
const LIMIT_MINUTES = 15;
/** What a benchmark calls the parts of its size, and the options that change them. */
const COUNTS = { launches: "launches", warmUp: "warm-up", rounds: "rounds", requests: "requests" };

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
  const number = { type: "string" };
  const directory = { type: "string" };
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      launches: number,
      "warm-up": number,
      rounds: number,
      requests: number,
      from: directory,
      profile: directory,
    },
  });
  const names = BENCHMARKS.map(({ name }) => name);
  const unknown = positionals.find((name) => !names.includes(name));
  if (unknown) throw new Error(`there is no benchmark ${unknown}, but ${names.join(", ")}`);
  const chosen = BENCHMARKS.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  const wished = { from: resolve(values.from ?? fileURLToPath(new URL("../..", import.meta.url))) };
  for (const [name, option] of Object.entries(COUNTS)) {
    const given = count(values[option], option);
    if (given) wished[name] = given;
  }
  if (values.profile) wished.profile = resolve(values.profile);
  return chosen.map((benchmark) => [benchmark, { ...benchmark.size, ...wished }]);
}

process.once("SIGINT", () => leave(130, "stopped"));
process.once("SIGTERM", () => leave(143, "stopped"));
setTimeout(() => leave(1, `not done after ${LIMIT_MINUTES} minutes`), LIMIT_MINUTES * 60_000).unref();

try {
  for (const [benchmark, size] of settle()) console.log(report(benchmark, size, await measure(benchmark, size)));
} catch (error) {
  leave(1, error instanceof Error ? error.message : error);
}
