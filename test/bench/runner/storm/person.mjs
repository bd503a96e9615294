import { Browser } from "../browser.mjs";
import { logIn } from "../visit.mjs";
import { Changes } from "./changes.mjs";

const LOGINS_AT_ONCE = 8;

/** One session, as its client knows it. */
export class Person {
  changes = new Changes();
  /** Why the session is lost, and when that was found out. */
  lost;
  /** Fingerprints of the refresh tokens that answers told of: by the first of them the ledger knows the session. */
  refreshTokens = new Set();

  constructor(number, cookie) {
    this.name = `session ${number}`;
    this.cookie = cookie;
  }

  lose(why) {
    this.lost ??= { why, at: Date.now() };
  }
}

/** So many people, each with a login at the portal. */
export async function logInAll({ apps, agent }, count) {
  const people = [];
  let left = count;
  const worker = async () => {
    while (left > 0) {
      left -= 1;
      const app = apps[left % apps.length];
      const browser = new Browser(agent);
      await logIn(app, browser);
      people.push(new Person(people.length, browser.cookie(app.origin))); // the cookie is the host's, whatever the port
    }
  };
  await Promise.all(Array.from({ length: LOGINS_AT_ONCE }, worker));
  return people;
}
