import { quantile } from "../report.mjs";
import { formatTime } from "./time-of-day.mjs";
import { TOKEN_SECONDS } from "./world.mjs";

const MAX_EVIDENCE = 5;

/** Formats the result of a storm. */
export function reportStorm(storm, verdict) {
  const { size, world, tally, ledger } = storm;
  const { name, seconds, session, sessions, processes, rate } = size;
  const { lost, lostByKill, met } = verdict;
  const kind = session ? ` with its own express-session (${session})` : "";
  const lostChanges = met.lostChanges === false ? tally.lostChanges : [];
  return [
    "",
    `${name}: ${processes} processes of one app${kind} and one Redis; ` +
      `access tokens live ${TOKEN_SECONDS} s, refresh tokens are valid once`,
    `${sessions} sessions, ${rate} requests a second for ${seconds} s; ${world.faults}`,
    ...getTargetRows(storm, verdict).map(formatRow),
    ...getFigureRows(storm, verdict).map(formatRow),
    ...getEvidence("lost", lost, ledger),
    ...getEvidence("lost by the kill", lostByKill, ledger),
    ...lostChanges.slice(0, MAX_EVIDENCE).map((change) => `  ${change}`),
  ].join("\n");
}

function getTargetRows({ world, tally }, { grantsPerExpiry, lost, lostByKill, met }) {
  const grantsTarget = formatTarget("1.00, at most 1.01", met.grantsPerExpiry);
  const rows = [
    ["grants for each expiry", grantsPerExpiry.toFixed(3), grantsTarget],
    ["sessions lost", lost.length, formatTarget("0", met.lost)],
    ["session changes lost", tally.lostChanges.length, formatChangesTarget(met)],
  ];
  if (world.killed) rows.push(["lost by the kill itself", lostByKill.length, "sessions; see README.md"]);
  return rows;
}

function getFigureRows({ tally, cpuShares, memoryBytes }, { refreshes, changes, joined }) {
  return [
    ["refreshes", refreshes.grants, formatRefreshes(refreshes)],
    ["requests", tally.requests, `${changes} changed the session`],
    ["  needed no refresh", tally.responses.fresh, formatLatency(tally.milliseconds.fresh)],
    ["  needed one", tally.responses.refreshed, formatLatency(tally.milliseconds.refreshed)],
    ["  of these joined", joined, "the refresh of another request"],
    ...[...tally.noticed].map(([event, count]) => ["  noticed", count, event]),
    ["CPU of one core", "", formatShares(cpuShares)],
    ["the provider's memory", "", `${Math.round(memoryBytes / 2 ** 20)} MiB`],
  ];
}

const formatRow = ([name, figure, details]) =>
  `  ${name.padEnd(24)}${String(figure).padStart(8)}   ${details}`.trimEnd();

const formatTarget = (target, isMet) => `target: ${target}, ${isMet ? "met" : "missed"}`;

const formatChangesTarget = ({ lostChanges: isMet }) =>
  isMet === undefined
    ? "no target: in other stores the last of several requests wins"
    : formatTarget("0", isMet);

const formatRefreshes = ({ expiries, early, again, afterKill }) =>
  `${expiries} expiries; ${early} early, ${again} again, ${afterKill} more because of the kill`;

function formatLatency(milliseconds) {
  if (milliseconds.length === 0) return "";
  const [p50, p99] = [0.5, 0.99].map((q) => quantile(milliseconds, q).toFixed(1));
  return `p50 ${p50} ms, p99 ${p99} ms`;
}

const formatShares = (shares) =>
  Object.entries(shares)
    .map(([name, share]) => `${name} ${Math.round(share * 100)} %`)
    .join(", ");

const getEvidence = (how, clientSessions, ledger) =>
  clientSessions
    .slice(0, MAX_EVIDENCE)
    .flatMap(({ name, lost, refreshTokens }) => [
      `  ${name}, ${how}: ${formatTime(lost.at)} ${lost.reason}`,
      ...ledger.formatHistory(refreshTokens).map((line) => `    ${line}`),
    ]);
