import { EVERYBODY } from "../../programs/people.mjs";
import { startApp } from "./app.mjs";
import { postgresPlace, redisPlace } from "./places.mjs";
import { reportKind } from "./report.mjs";
import { addLogins, addOthers, countRows } from "./rows.mjs";

const [somebody, userOfFew, userOfFewLater, userOfMany] = EVERYBODY.slice(10);
const FEW_LOGINS = 10;

const KINDS = [
  { place: redisPlace, server: "Redis", keeper: "own session" },
  { place: redisPlace, server: "Redis", keeper: "own session", backchannelLogout: true },
  { place: redisPlace, server: "Redis", keeper: "the application's session in createStore()" },
  { place: redisPlace, server: "Redis", keeper: "the application's session in connect-redis" },
  { place: postgresPlace, server: "PostgreSQL", keeper: "own session" },
  { place: postgresPlace, server: "PostgreSQL", keeper: "the application's session in createStore()" },
];

/** Counts every row with few and with many logins of the user, among few and among many sessions of others. */
export async function runRoundTrips({ from, sessions }) {
  const few = Math.ceil(sessions / 100);
  const scales = [
    { others: few, user: userOfFew, logins: FEW_LOGINS },
    { others: sessions, user: userOfFewLater, logins: FEW_LOGINS },
    { others: sessions, user: userOfMany, logins: few },
  ];
  const reports = [];
  for (const kind of KINDS) reports.push(reportKind(kind, scales, await countKind(kind, scales, from)));
  const title = [
    "round-trips: reads + writes of the login's store by one request (Redis: and the commands in its scripts)",
    `each row counted with ${scales.map(({ logins, others }) => `${logins} logins among ${others} sessions`).join(", ")}`,
  ];
  const text = ["", ...title, ...reports.map((report) => report.text)].join("\n");
  return { text, held: reports.every(({ held }) => held) };
}

async function countKind({ place: startPlace, keeper, backchannelLogout = false }, scales, from) {
  const place = await startPlace();
  try {
    const app = await startApp({ from, place, keeper, backchannelLogout });
    try {
      return await countScales({ app, place }, scales);
    } finally {
      await app.stop();
    }
  } finally {
    await place.stop();
  }
}

async function countScales(world, scales) {
  await countRows({ ...world, user: somebody }); // afterwards nothing has to be opened or discovered any more
  const counted = [];
  let there = 0;
  for (const { others, user, logins } of scales) {
    if (others > there) await addOthers(world, there, others);
    there = others;
    await addLogins(world, user, logins);
    counted.push(await countRows({ ...world, user }));
  }
  return counted;
}
