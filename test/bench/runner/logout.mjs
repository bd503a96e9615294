import { once } from "node:events";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import express from "express";
import { quantile } from "./report.mjs";
import { postgresPlace, redisPlace } from "./round-trips/places.mjs";

const SUB = "amara-okafor";
const FEW = { sub: "user-of-few" };
const MANY = { sub: "user-of-many" };
const FEW_SESSIONS = 10;
const TARGET_MS = 1000;
/** A login may take so much longer at many sessions of its user than at few. The difference is noise. */
const TARGET_RATIO = 1.5;
const LOGINS = 100;

/** Ends all sessions of one user, by a logout token and by the user in turn, and times logins of users with few and many. */
export async function runLogout({ from, sessions, rounds }) {
  const reports = [];
  for (const [server, start] of [
    ["Redis", redisPlace],
    ["PostgreSQL", postgresPlace],
  ])
    reports.push(await runAt(server, await start(), { from, sessions, rounds }));
  const title = `logout: ${sessions} sessions of one user, ended ${rounds} times each way`;
  return {
    text: ["", title, ...reports.map(({ text }) => text)].join("\n"),
    held: reports.every(({ held }) => held),
  };
}

async function runAt(server, place, { from, sessions, rounds }) {
  try {
    const app = await startApp(from, place);
    try {
      const times = { token: [], user: [], few: [], many: [] };
      for (let round = 0; round < rounds; round += 1) await timeLogouts(app, place, sessions, times);
      await timeLogins(app, 2 * sessions, times);
      return reportOf(server, sessions, times);
    } finally {
      await app.stop();
    }
  } finally {
    await place.stop();
  }
}

async function startApp(from, place) {
  const load = (path) => import(pathToFileURL(join(from, "dist", path)).href);
  const { portalAuth } = await load("index.js");
  const { loginAs, startTestProvider } = await load("testing/index.js");
  const portal = await startTestProvider({ document: "full" });
  const app = express();
  const server = app.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${server.address().port}`;
  const auth = portalAuth({
    ...portal.options,
    redirectUri: `${url}/callback`,
    secret: "0123456789abcdef0123456789abcdef",
    store: place.store,
    backchannelLogout: true,
  });
  app.use(auth);
  app.post("/leave", (req) => req.portal.logout({ everywhere: true }));
  portal.register({ backchannelLogoutUri: `${url}/backchannel-logout` });
  let n = 0;
  return {
    logIn: ({ sub }) => loginAs(app, { sub, sid: `s${n++}` }),
    logOutByToken: async () =>
      expectStatus(await portal.sendLogoutToken(portal.logoutToken({ sub: SUB })), 200),
    logOutEverywhere: async (cookie) =>
      expectStatus(await fetch(`${url}/leave`, { method: "POST", headers: { cookie } }), 200),
    async stop() {
      server.closeAllConnections();
      server.close();
      await auth.close();
      await portal.close();
    },
  };
}

async function timeLogouts(app, place, sessions, times) {
  await logInOften(app, { sub: SUB }, sessions);
  await expectSessions(place, sessions);
  times.token.push(await timeOf(() => app.logOutByToken()));
  await expectSessions(place, 0);
  const cookie = await logInOften(app, { sub: SUB }, sessions);
  times.user.push(await timeOf(() => app.logOutEverywhere(cookie)));
  await expectSessions(place, 0);
}

/** In turn, so that both users meet the same machine. */
async function timeLogins(app, many, times) {
  await logInOften(app, FEW, FEW_SESSIONS);
  await logInOften(app, MANY, many);
  for (let login = 0; login < LOGINS; login += 1) {
    times.few.push(await timeOf(() => app.logIn(FEW)));
    times.many.push(await timeOf(() => app.logIn(MANY)));
  }
}

async function logInOften(app, user, times) {
  let cookie;
  for (let n = 0; n < times; n += 1) cookie = await app.logIn(user);
  return cookie;
}

async function timeOf(work) {
  const from = performance.now();
  await work();
  return performance.now() - from;
}

function expectStatus({ status }, wanted) {
  if (status !== wanted) throw new Error(`the logout was answered with ${status}`);
}

/** A figure of sessions that were not there, or still are, would be none. */
async function expectSessions(place, count) {
  const found = await place.countSessions();
  if (found !== count) throw new Error(`there are ${found} sessions in the store, and not ${count}`);
}

function reportOf(server, sessions, { token, user, few, many }) {
  const median = (all) => quantile(all, 0.5);
  const ratio = median(many) / median(few);
  const met = (isMet) => (isMet ? "met" : "missed");
  const logout = (name, all) => {
    const range = `${Math.min(...all).toFixed(0)} to ${Math.max(...all).toFixed(0)}`;
    const verdict = `target: under ${TARGET_MS} ms, ${met(median(all) < TARGET_MS)}`;
    return `    ${name.padEnd(42)} ${median(all).toFixed(0).padStart(6)} ms   ${range}   ${verdict}`;
  };
  const login = `a login at ${FEW_SESSIONS} and at ${2 * sessions} sessions`.padEnd(42);
  const text = [
    `  ${server}`,
    logout("by a logout token", token),
    logout("by the user, everywhere", user),
    `    ${login} ${median(few).toFixed(2)} and ${median(many).toFixed(2)} ms   ratio ${ratio.toFixed(2)}   target: at most ${TARGET_RATIO}, ${met(ratio <= TARGET_RATIO)}`,
  ].join("\n");
  return { text, held: median(token) < TARGET_MS && median(user) < TARGET_MS && ratio <= TARGET_RATIO };
}
