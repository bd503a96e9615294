/** What each row may cost at most: round trips for the login, and for a session in a store of ours. */
const TARGETS = {
  "login in a new browser": { writes: 5 },
  "login after such a logout": { writes: 5 },
  "login over a session": { writes: 6 }, // the old session is removed
  "guarded request": { reads: 1, writes: 0 },
  "guarded request, end is due": { writes: 2 },
};

/** With back-channel logout the provider's session has a list of its own, which these write as well. */
const WITH_BACKCHANNEL_LOGOUT = {
  ...TARGETS,
  "login after such a logout": { writes: 6 },
  "login over a session": { writes: 7 },
  "guarded request, end is due": { writes: 3 },
};

const isForeign = (keeper) => keeper.endsWith("connect-redis");

/** Only a logout everywhere may cost more if the user has more logins. */
const mayGrow = (row, logins, otherLogins) => row === "logout everywhere" && logins !== otherLogins;

/** The rows of one kind, as lines to read. */
export function reportKind(kind, scales, counted) {
  const rows = Object.keys(counted[0]).map((row) => reportRow(kind, row, scales, counted));
  const { server, keeper, backchannelLogout } = kind;
  const title = `  ${keeper}, ${server}${backchannelLogout ? ", with back-channel logout" : ""}`;
  return {
    text: ["", title, ...rows.map(({ text }) => text)].join("\n"),
    held: rows.every(({ held }) => held),
  };
}

function reportRow({ keeper, backchannelLogout }, row, scales, counted) {
  const sums = counted.map((rows) => rows[row]);
  const target = (backchannelLogout ? WITH_BACKCHANNEL_LOGOUT : TARGETS)[row];
  const isMet = !target || sums.every((sum) => holds(sum, target));
  const grows = sums.some(
    (sum, n) => isMore(sum, sums[0]) && !mayGrow(row, scales[n].logins, scales[0].logins),
  );
  const verdicts = [
    ...(target ? [`target: at most ${wanted(target)}, ${isMet ? "met" : "missed"}`] : []),
    ...(grows ? ["it grows, missed"] : []),
  ];
  const [first, ...more] = [...new Set(sums.map((sum) => cell(keeper, sum)))];
  const lines = [
    [`    ${row.padEnd(28)} ${first}`, ...verdicts].join("   "),
    ...more.map((text) => `${"".padEnd(33)}${text}`),
  ];
  return { text: lines.join("\n"), held: isMet && !grows };
}

const isMore = (sum, first) => Object.keys(sum).some((name) => sum[name] > first[name]);

const holds = (sum, target) => Object.entries(target).every(([name, most]) => sum[name] <= most);

const wanted = (target) =>
  Object.entries(target)
    .map(([name, most]) => `${most} ${name}`)
    .join(", ");

function cell(keeper, { reads, writes, appsReads, appsWrites, inside }) {
  const apps = isForeign(keeper) ? `, the application's store ${appsReads} + ${appsWrites}` : "";
  const commands = inside > 0 ? ` (${inside} commands)` : "";
  return `${reads} + ${writes}${commands}${apps}`;
}
