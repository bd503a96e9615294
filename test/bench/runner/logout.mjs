import { once } from "node:events";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import express from "express";
import { createClient } from "redis";
import { startRedis } from "../../support/servers/redis.mjs";
import { quantile } from "./report.mjs";

const SUB = "amara-okafor";
const TARGET_MS = 1000;
/** As express-session does it for a visitor: one session destroyed that was never there, and one written. */
const WRITES_BY_HAND = 2;
const MORE_AT_MOST = 1;
/** What writes, of the commands that the store and we use. */
const WRITES = ["set", "setex", "del", "eval", "evalsha", "expire"];

/** Begins sessions of one person, and ends all of them: by a logout token, and by the person, in turn. */
export async function runLogout({ from, sessions, rounds }) {
  const redis = await startRedis();
  const load = (path) => import(pathToFileURL(join(from, "dist", path)).href);
  const { portalAuth } = await load("index.js");
  const { loginAs, startTestPortal } = await load("testing/index.js");
  const portal = await startTestPortal({ document: "full" });
  const counting = await createClient({ url: redis.url }).connect();
  const app = express();
  const server = app.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${server.address().port}`;
  const auth = portalAuth({
    ...portal.options,
    redirectUri: `${url}/callback`,
    secret: "0123456789abcdef0123456789abcdef",
    store: redis.url,
    backchannelLogout: true,
  });
  app.use(auth);
  app.post("/leave", (req) => req.portal.logout({ everywhere: true }));
  portal.register({ backchannelLogoutUri: `${url}/backchannel-logout` });
  try {
    await portal.signIn(`${url}/login`); // so that nothing has to be opened or discovered any more
    const writes = await countWrites(counting, () => portal.signIn(`${url}/login`));
    await portal.logOut(SUB);
    await counting.flushAll();
    const begin = async () => {
      let cookie;
      for (let n = 0; n < sessions; n += 1) cookie = await loginAs(app, { sub: SUB, sid: `s${n}` });
      return cookie;
    };
    const times = { token: [], person: [] };
    for (let round = 0; round < rounds; round += 1) {
      await begin();
      await expectSessions(counting, sessions);
      const token = portal.logoutToken({ sub: SUB });
      times.token.push(await timeOf(async () => expectStatus(await portal.sendLogoutToken(token), 200)));
      await expectSessions(counting, 0);
      const cookie = await begin();
      const leave = () => fetch(`${url}/leave`, { method: "POST", headers: { cookie } });
      times.person.push(await timeOf(async () => expectStatus(await leave(), 200)));
      await expectSessions(counting, 0);
    }
    return reportOf({ sessions, rounds, writes, times });
  } finally {
    server.closeAllConnections();
    server.close();
    await auth.close();
    await counting.close();
    await portal.close();
    await redis.stop();
  }
}

async function countWrites(client, work) {
  await client.configResetStat();
  await work();
  const lines = (await client.info("commandstats")).split("\r\n");
  const counts = lines.map((line) => /^cmdstat_(\w+):calls=(\d+)/.exec(line)).filter(Boolean);
  return Object.fromEntries(counts.filter(([, name]) => WRITES.includes(name)).map(([, name, n]) => [name, Number(n)]));
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
async function expectSessions(client, count) {
  const keys = await client.keys("portal-session:*");
  const found = keys.filter((key) => !key.startsWith("portal-session:portal-auth-")).length;
  if (found !== count) throw new Error(`there are ${found} sessions in the store, and not ${count}`);
}

function reportOf({ sessions, rounds, writes, times }) {
  const total = Object.values(writes).reduce((sum, count) => sum + count, 0);
  // DEL, GET and SET of a script count as commands too: each write of ours is one EVAL with one SET in it
  const made = total - (writes.eval ?? 0) - (writes.evalsha ?? 0);
  const [token, person] = [times.token, times.person].map((all) => quantile(all, 0.5));
  const held = token < TARGET_MS && person < TARGET_MS && made <= WRITES_BY_HAND + MORE_AT_MOST;
  const line = (name, all) =>
    `  ${name.padEnd(28)} ${quantile(all, 0.5).toFixed(0).padStart(6)} ms   ${Math.min(...all).toFixed(0)} to ${Math.max(...all).toFixed(0)}`;
  const text = [
    "",
    `logout: ${sessions} sessions of one person on Redis, ended ${rounds} times each way`,
    `${line("by a logout token", times.token)}   target: under ${TARGET_MS} ms, ${token < TARGET_MS ? "met" : "missed"}`,
    `${line("by the person, everywhere", times.person)}   target: under ${TARGET_MS} ms, ${person < TARGET_MS ? "met" : "missed"}`,
    `  writes of a visitor's login  ${String(made).padStart(6)}      ${JSON.stringify(writes)}; target: at most ${WRITES_BY_HAND + MORE_AT_MOST}, ${made <= WRITES_BY_HAND + MORE_AT_MOST ? "met" : "missed"}`,
  ].join("\n");
  return { text, held };
}
