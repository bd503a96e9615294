import { once } from "node:events";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import express from "express";
import { quantile } from "./report.mjs";
import { startPostgresStore, startRedisStore } from "./round-trips/store-servers.mjs";

const SUB = "amara-okafor";
const FEW = { sub: "user-of-few" };
const MANY = { sub: "user-of-many" };
const FEW_SESSIONS = 10;
const TARGET_MS = 1000;
/** How much longer a login may take if its user has many sessions. The ratio allows for noise. */
const TARGET_RATIO = 1.5;
const LOGINS = 100;

/**
 * Ends all sessions of one user, by a logout token and by the user in turn. Then measures logins of a user
 * with few sessions and of one with many.
 */
export async function runLogout({ from, sessions, rounds }) {
  const reports = [];
  for (const [serverName, start] of [
    ["Redis", startRedisStore],
    ["PostgreSQL", startPostgresStore],
  ])
    reports.push(await runAt(serverName, await start(), { from, sessions, rounds }));
  const title = `logout: ${sessions} sessions of one user, ended ${rounds} times each way`;
  return {
    text: ["", title, ...reports.map(({ text }) => text)].join("\n"),
    isMet: reports.every(({ isMet }) => isMet),
  };
}

async function runAt(serverName, storeServer, { from, sessions, rounds }) {
  try {
    const app = await startApp(from, storeServer);
    try {
      const times = { token: [], user: [], few: [], many: [] };
      for (let round = 0; round < rounds; round += 1) await measureLogouts(app, storeServer, sessions, times);
      await measureLogins(app, 2 * sessions, times);
      return reportServer(serverName, sessions, times);
    } finally {
      await app.stop();
    }
  } finally {
    await storeServer.stop();
  }
}

async function startApp(from, storeServer) {
  const load = (path) => import(pathToFileURL(join(from, "dist", path)).href);
  const { portalAuth } = await load("index.js");
  const { loginAs, startTestProvider } = await load("testing/index.js");
  const provider = await startTestProvider({ document: "full" });
  const app = express();
  const server = app.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${server.address().port}`;
  const auth = portalAuth({
    ...provider.options,
    redirectUri: `${url}/callback`,
    secret: "0123456789abcdef0123456789abcdef",
    store: storeServer.store,
    backchannelLogout: true,
  });
  app.use(auth);
  app.post("/leave", (req) => req.portal.logout({ everywhere: true }));
  provider.register({ backchannelLogoutUri: `${url}/backchannel-logout` });
  let n = 0;
  return {
    logIn: ({ sub }) => loginAs(app, { sub, sid: `s${n++}` }),
    logOutByToken: async () =>
      expectStatus(await provider.sendLogoutToken(provider.logoutToken({ sub: SUB })), 200),
    logOutEverywhere: async (cookie) =>
      expectStatus(await fetch(`${url}/leave`, { method: "POST", headers: { cookie } }), 200),
    async stop() {
      server.closeAllConnections();
      server.close();
      await auth.close();
      await provider.close();
    },
  };
}

async function measureLogouts(app, storeServer, sessions, times) {
  await logInOften(app, { sub: SUB }, sessions);
  await expectSessions(storeServer, sessions);
  times.token.push(await measureTime(() => app.logOutByToken()));
  await expectSessions(storeServer, 0);
  const cookie = await logInOften(app, { sub: SUB }, sessions);
  times.user.push(await measureTime(() => app.logOutEverywhere(cookie)));
  await expectSessions(storeServer, 0);
}

/** Measures logins of both users in turn, so that the load of the machine is the same for both. */
async function measureLogins(app, many, times) {
  await logInOften(app, FEW, FEW_SESSIONS);
  await logInOften(app, MANY, many);
  for (let login = 0; login < LOGINS; login += 1) {
    times.few.push(await measureTime(() => app.logIn(FEW)));
    times.many.push(await measureTime(() => app.logIn(MANY)));
  }
}

async function logInOften(app, user, times) {
  let cookie;
  for (let n = 0; n < times; n += 1) cookie = await app.logIn(user);
  return cookie;
}

async function measureTime(work) {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

function expectStatus({ status }, expected) {
  if (status !== expected) throw new Error(`the logout was answered with ${status}`);
}

/** Checks that a time is that of existing sessions, and that all of them have ended. */
async function expectSessions(storeServer, count) {
  const found = await storeServer.countSessions();
  if (found !== count) throw new Error(`there are ${found} sessions in the store instead of ${count}`);
}

const getMedian = (times) => quantile(times, 0.5);

function reportServer(serverName, sessions, { token, user, few, many }) {
  const rows = [
    reportLogouts("by a logout token", token),
    reportLogouts("by the user, on all devices", user),
    reportLogins(sessions, few, many),
  ];
  return {
    text: [`  ${serverName}`, ...rows.map(({ text }) => text)].join("\n"),
    isMet: rows.every(({ isMet }) => isMet),
  };
}

function reportLogouts(name, times) {
  const median = getMedian(times);
  const range = `${Math.min(...times).toFixed(0)} to ${Math.max(...times).toFixed(0)}`;
  const isMet = median < TARGET_MS;
  const verdict = `target: under ${TARGET_MS} ms, ${isMet ? "met" : "missed"}`;
  return {
    text: `    ${name.padEnd(42)} ${median.toFixed(0).padStart(6)} ms   ${range}   ${verdict}`,
    isMet,
  };
}

function reportLogins(sessions, few, many) {
  const name = `a login at ${FEW_SESSIONS} and at ${2 * sessions} sessions`;
  const ratio = getMedian(many) / getMedian(few);
  const isMet = ratio <= TARGET_RATIO;
  const times = `${getMedian(few).toFixed(2)} and ${getMedian(many).toFixed(2)} ms`;
  const verdict = `target: at most ${TARGET_RATIO}, ${isMet ? "met" : "missed"}`;
  return { text: `    ${name.padEnd(42)} ${times}   ratio ${ratio.toFixed(2)}   ${verdict}`, isMet };
}
