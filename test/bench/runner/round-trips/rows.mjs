import { EVERYBODY } from "../../programs/people.mjs";

const [, , , other] = EVERYBODY;
const TWO_MINUTES_MS = 2 * 60 * 1000;

/**
 * Makes each kind of request once, in this order, and returns what each one has counted. The requests are those of one user,
 * who has had so many other logins when the rows begin.
 */
export async function countRows({ app, place, user }) {
  const counted = {};
  const count = async (name, work) => {
    counted[name] = await place.count(work);
  };
  const browser = app.newBrowser();
  await count("login in a new browser", () => app.logIn(browser, user));
  await count("guarded request", () => app.get(browser, "/account"));
  const { record } = await app.get(browser, "/account");
  await place.age(record, TWO_MINUTES_MS);
  await count("guarded request, end is due", () => app.get(browser, "/account"));
  app.expireTokens();
  await count("refresh", () => app.get(browser, "/token"));
  await count("login over a session", () => app.logIn(browser, user));
  await count("logout", () => app.post(browser, "/leave"));
  await app.logIn(browser, user);
  await count("logout everywhere", () => app.post(browser, "/leave?everywhere"));
  const next = app.newBrowser();
  await count("login after such a logout", () => app.logIn(next, user));
  await app.post(next, "/leave");
  return counted;
}

/** Adds sessions of other users to the store, as copies of one that a login has made. */
export async function addOthers({ app, place }, from, to) {
  const browser = app.newBrowser();
  await app.logIn(browser, other);
  const { record } = await app.get(browser, "/account");
  await place.addSessions(record, from, to);
}

const AT_ONCE = 20;

/** Adds logins of a user, without a portal. */
export async function addLogins({ app }, user, number) {
  let left = number;
  const log = async () => {
    while (left-- > 0) await app.loginAs(user);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, log));
}
