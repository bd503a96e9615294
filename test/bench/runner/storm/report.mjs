import { quantile } from "../report.mjs";
import { clock } from "./clock.mjs";
import { TOKEN_SECONDS } from "./world.mjs";

const MOST_EVIDENCE = 5;

/** The storm as lines to read. */
export function reportStorm({ size, world, tally, ledger, spent, memoryBytes }, verdict) {
  const { name, seconds, session, sessions, processes, rate } = size;
  const { refreshes, lost, lostToKill, met } = verdict;
  const rows = [
    [
      "grants for each expiry",
      verdict.grantsPerExpiry.toFixed(3),
      target("1.00, at most 1.01", met.grantsPerExpiry),
    ],
    ["sessions lost", lost.length, target("0", met.lost)],
    ["session changes lost", tally.lostChanges.length, lostChanges(met)],
    ...(world.killed ? [["lost to the kill itself", lostToKill.length, "sessions; README.md says why"]] : []),
    ["refreshes", refreshes.grants, outcome(refreshes)],
    ["requests", tally.requests, `${verdict.changes} changed the session`],
    ["  needed no refresh", tally.answers.fresh, latency(tally.milliseconds.fresh)],
    ["  needed one", tally.answers.renewed, latency(tally.milliseconds.renewed)],
    ["  of these joined", verdict.joined, "the refresh of another request"],
    ...[...tally.noticed].map(([what, count]) => ["  noticed", count, what]),
    ["CPU of one core", "", percent(spent)],
    ["the portal's memory", "", `${Math.round(memoryBytes / 2 ** 20)} MiB`],
  ];
  return [
    "",
    `${name}: ${processes} processes of one app${kept(session)} and one Redis; tokens live ${TOKEN_SECONDS} s, each refresh token is good once`,
    `${sessions} sessions, ${rate} requests a second for ${seconds} s; ${world.troubles}`,
    ...rows.map(row),
    ...evidence("lost", lost, ledger),
    ...evidence("lost to the kill", lostToKill, ledger),
    ...(met.lostChanges === false ? tally.lostChanges : [])
      .slice(0, MOST_EVIDENCE)
      .map((change) => `  ${change}`),
  ].join("\n");
}

const row = ([name, figure, more]) => `  ${name.padEnd(24)}${String(figure).padStart(8)}   ${more}`.trimEnd();

const target = (wanted, isMet) => `target: ${wanted}, ${isMet ? "met" : "missed"}`;

const kept = (session) => (session ? ` with its own express-session (${session})` : "");

const lostChanges = ({ lostChanges: isMet }) =>
  isMet === undefined
    ? "no target: in a store of others the last of several requests wins"
    : target("0", isMet);

const outcome = ({ expiries, early, again, afterKill }) =>
  `${expiries} expiries; ${early} early, ${again} again, ${afterKill} more for what the kill took`;

function latency(milliseconds) {
  if (milliseconds.length === 0) return "";
  const [p50, p99] = [0.5, 0.99].map((q) => quantile(milliseconds, q).toFixed(1));
  return `p50 ${p50} ms, p99 ${p99} ms`;
}

const percent = (spent) =>
  Object.entries(spent)
    .map(([who, share]) => `${who} ${Math.round(share * 100)} %`)
    .join(", ");

const evidence = (how, people, ledger) =>
  people
    .slice(0, MOST_EVIDENCE)
    .flatMap(({ name, lost, refreshTokens }) => [
      `  ${name}, ${how}: ${clock(lost.at)} ${lost.why}`,
      ...ledger.history(refreshTokens).map((line) => `    ${line}`),
    ]);
