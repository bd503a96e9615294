import { Browser } from "../browser.mjs";
import { logIn } from "../visit.mjs";
import { Changes } from "./changes.mjs";

const LOGINS_AT_ONCE = 8;

/** One session, as its client knows it. */
export class ClientSession {
  changes = new Changes();
  /** Why the session is lost, and when the client noticed it. */
  lost;
  /** Fingerprints of the refresh tokens in responses. With the first one, the ledger finds the session. */
  refreshTokens = new Set();

  constructor(number, cookie) {
    this.name = `session ${number}`;
    this.cookie = cookie;
  }

  lose(reason) {
    this.lost ??= { reason, at: Date.now() };
  }
}

/** Creates the given number of sessions, each with its own login at the provider. */
export async function createClientSessions({ apps, agent }, count) {
  const clientSessions = [];
  let remaining = count;
  const worker = async () => {
    while (remaining > 0) {
      remaining -= 1;
      const app = apps[remaining % apps.length];
      const browser = new Browser(agent);
      await logIn(app, browser);
      // A cookie belongs to the host, so all processes accept it.
      clientSessions.push(new ClientSession(clientSessions.length, browser.getCookie(app.origin)));
    }
  };
  await Promise.all(Array.from({ length: LOGINS_AT_ONCE }, worker));
  return clientSessions;
}
