/** The maximum of round trips in each row: for the login, and for a session in createStore(). */
const TARGETS = {
  "login in a new browser": { writes: 5 },
  "login after such a logout": { writes: 5 },
  "login over a session": { writes: 6 }, // the old session is removed
  "guarded request": { reads: 1, writes: 0 },
  "guarded request that extends the session": { writes: 2 },
};

/** With back-channel logout, these rows also write the list of the provider's session. */
const WITH_BACKCHANNEL_LOGOUT = {
  ...TARGETS,
  "login after such a logout": { writes: 6 },
  "login over a session": { writes: 7 },
  "guarded request that extends the session": { writes: 3 },
};

const isOtherStore = (sessionKind) => sessionKind.endsWith("connect-redis");

/** Only a logout on all devices may need more calls if the user has more logins. */
const mayGrow = (row, logins, otherLogins) => row === "logout on all devices" && logins !== otherLogins;

/** Formats the rows of one kind of session in one store. */
export function reportKind(kind, scales, counts) {
  const rows = Object.keys(counts[0]).map((row) => reportRow(kind, row, scales, counts));
  const { serverName, sessionKind, backchannelLogout } = kind;
  const title = `  ${sessionKind}, ${serverName}${backchannelLogout ? ", with back-channel logout" : ""}`;
  return {
    text: ["", title, ...rows.map(({ text }) => text)].join("\n"),
    isMet: rows.every(({ isMet }) => isMet),
  };
}

function reportRow({ sessionKind, backchannelLogout }, row, scales, counts) {
  const sums = counts.map((rows) => rows[row]);
  const target = (backchannelLogout ? WITH_BACKCHANNEL_LOGOUT : TARGETS)[row];
  const isTargetMet = !target || sums.every((sum) => isWithin(sum, target));
  const grows = sums.some(
    (sum, n) => isMore(sum, sums[0]) && !mayGrow(row, scales[n].logins, scales[0].logins),
  );
  const verdicts = [];
  if (target) verdicts.push(`target: at most ${formatTarget(target)}, ${isTargetMet ? "met" : "missed"}`);
  if (grows) verdicts.push("it grows, missed");
  const texts = new Set(sums.map((sum) => formatSum(sessionKind, sum)));
  const [first, ...others] = texts;
  const lines = [
    [`    ${row.padEnd(ROW_WIDTH)} ${first}`, ...verdicts].join("   "),
    ...others.map((text) => `${"".padEnd(ROW_WIDTH + 5)}${text}`),
  ];
  return { text: lines.join("\n"), isMet: isTargetMet && !grows };
}

const ROW_WIDTH = 42;

const isMore = (sum, first) => Object.keys(sum).some((name) => sum[name] > first[name]);

const isWithin = (sum, target) => Object.entries(target).every(([name, maximum]) => sum[name] <= maximum);

const formatTarget = (target) =>
  Object.entries(target)
    .map(([name, maximum]) => `${maximum} ${name}`)
    .join(", ");

function formatSum(sessionKind, { reads, writes, appReads, appWrites, scriptCommands }) {
  const app = isOtherStore(sessionKind) ? `, the application's store ${appReads} + ${appWrites}` : "";
  const commands = scriptCommands > 0 ? ` (${scriptCommands} commands)` : "";
  return `${reads} + ${writes}${commands}${app}`;
}
