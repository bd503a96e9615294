import { BENCH_USERS } from "../../programs/users.mjs";
import { startApp } from "./app.mjs";
import { reportKind } from "./report.mjs";
import { addLogins, addOthers, countRows } from "./rows.mjs";
import { startPostgresStore, startRedisStore } from "./store-servers.mjs";

const [warmUpUser, userOfFew, userOfFewLater, userOfMany] = BENCH_USERS.slice(10);
const FEW_LOGINS = 10;

const REDIS = { serverName: "Redis", startStore: startRedisStore };
const POSTGRES = { serverName: "PostgreSQL", startStore: startPostgresStore };

const KINDS = [
  { ...REDIS, sessionKind: "own session" },
  { ...REDIS, sessionKind: "own session", backchannelLogout: true },
  { ...REDIS, sessionKind: "the application's session in createStore()" },
  { ...REDIS, sessionKind: "the application's session in connect-redis" },
  { ...POSTGRES, sessionKind: "own session" },
  { ...POSTGRES, sessionKind: "the application's session in createStore()" },
];

/** Counts all rows with few and many logins of the user, and with few and many sessions of other users. */
export async function runRoundTrips({ from, sessions }) {
  const few = Math.ceil(sessions / 100);
  const scales = [
    { others: few, user: userOfFew, logins: FEW_LOGINS },
    { others: sessions, user: userOfFewLater, logins: FEW_LOGINS },
    { others: sessions, user: userOfMany, logins: few },
  ];
  const reports = [];
  for (const kind of KINDS) reports.push(reportKind(kind, scales, await countKind(kind, scales, from)));
  const sizes = scales.map(({ logins, others }) => `${logins} logins among ${others} sessions`);
  const title = [
    "round-trips: reads + writes of the login's store in one request (with Redis, also commands in scripts)",
    `each row counted with ${sizes.join(", ")}`,
  ];
  const text = ["", ...title, ...reports.map((report) => report.text)].join("\n");
  return { text, isMet: reports.every(({ isMet }) => isMet) };
}

async function countKind({ startStore, sessionKind, backchannelLogout = false }, scales, from) {
  const storeServer = await startStore();
  try {
    const app = await startApp({ from, storeServer, sessionKind, backchannelLogout });
    try {
      return await countScales({ app, storeServer }, scales);
    } finally {
      await app.stop();
    }
  } finally {
    await storeServer.stop();
  }
}

async function countScales(world, scales) {
  await countRows({ ...world, user: warmUpUser }); // opens the connections and fetches the discovery document
  const counts = [];
  let existing = 0;
  for (const { others, user, logins } of scales) {
    if (others > existing) await addOthers(world, existing, others);
    existing = others;
    await addLogins(world, user, logins);
    counts.push(await countRows({ ...world, user }));
  }
  return counts;
}
