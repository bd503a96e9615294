import { BENCH_USERS } from "../../programs/users.mjs";

const otherUser = BENCH_USERS[3];
const TWO_MINUTES_MS = 2 * 60 * 1000;

/** Makes each kind of request once, in this order, by one user. Returns the counts by the name of the row. */
export async function countRows({ app, storeServer, user }) {
  const counts = {};
  const count = async (name, work) => {
    counts[name] = await storeServer.count(work);
  };
  const browser = app.newBrowser();
  await count("login in a new browser", () => app.logIn(browser, user));
  await count("guarded request", () => app.get(browser, "/account"));
  const { record } = await app.get(browser, "/account");
  await storeServer.age(record, TWO_MINUTES_MS);
  await count("guarded request that extends the session", () => app.get(browser, "/account"));
  app.expireTokens();
  await count("refresh", () => app.get(browser, "/token"));
  await count("login over a session", () => app.logIn(browser, user));
  await count("logout", () => app.post(browser, "/leave"));
  await app.logIn(browser, user);
  await count("logout on all devices", () => app.post(browser, "/leave?everywhere"));
  const next = app.newBrowser();
  await count("login after such a logout", () => app.logIn(next, user));
  await app.post(next, "/leave");
  return counts;
}

/** Adds sessions of other users to the store, as copies of the session of a login. */
export async function addOthers({ app, storeServer }, from, to) {
  const browser = app.newBrowser();
  await app.logIn(browser, otherUser);
  const { record } = await app.get(browser, "/account");
  await storeServer.addSessions(record, from, to);
}

const LOGINS_AT_ONCE = 20;

/** Adds logins of a user, without requests to the provider. */
export async function addLogins({ app }, user, number) {
  let remaining = number;
  const worker = async () => {
    while (remaining-- > 0) await app.loginAs(user);
  };
  await Promise.all(Array.from({ length: LOGINS_AT_ONCE }, worker));
}
