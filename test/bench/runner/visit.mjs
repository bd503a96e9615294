import { BENCH_USERS } from "../programs/users.mjs";
import { send } from "./browser.mjs";

const USER = { sub: "amara-okafor" };
const MAX_STEPS = 10;

/**
 * Signs a user in with a real login, so that the session has exactly the data that a login stores. Afterwards
 * the user is also signed in at the provider in this browser.
 */
export async function logInOnce(app) {
  await logIn(app, app.browser);
  app.account = new URL("/account", app.origin);
  app.headers = { accept: "application/json", cookie: app.browser.getCookie(app.origin) };
  const { status, text } = await getAccount(app);
  if (text !== JSON.stringify(USER)) throw new Error(`${app.name}: /account answered ${status} ${text}`);
}

/** Requests the guarded route as a signed-in user. */
export async function getAccount({ name, agent, account, headers }) {
  const response = await send(agent, account, { headers });
  if (response.status !== 200) throw new Error(`${name}: /account answered ${response.status}`);
  return response;
}

const browsersByIssuer = new Map();

/**
 * Signs many users in at the provider, each in one browser. With one user, the data that an application
 * stores for this user would grow with each login.
 */
export async function logInAllUsers(app) {
  if (!browsersByIssuer.has(app.issuer)) browsersByIssuer.set(app.issuer, await createBrowsers(app));
  app.browsers = [...browsersByIssuer.get(app.issuer)];
}

async function createBrowsers(app) {
  const browsers = [];
  for (const user of BENCH_USERS) {
    const browser = app.browser.copyFor(app.origin);
    await logIn(app, browser, user);
    browsers.push(browser);
  }
  return browsers;
}

/** Signs in the next user, who is signed in at the provider, in a browser that is new to the application. */
export async function logInSilently(app) {
  const browser = app.browsers.shift();
  app.browsers.push(browser);
  await logIn(app, browser.copyFor(app.issuer));
}

const isCallback = ({ pathname }) => pathname === "/callback";

/** Follows a login from /login to the response of /callback. */
export async function logIn({ name, origin, login = "/login" }, browser, user = USER) {
  let response = await browser.get(new URL(login, origin));
  for (let steps = 0; steps < MAX_STEPS; steps += 1) {
    const { url, status, location } = response;
    if (isCallback(url)) {
      if (status !== 303) throw new Error(`${name}: /callback answered ${status}`);
      return;
    }
    // Any of several processes may serve the callback, as behind a load balancer. Here this one does.
    if (location)
      response = await browser.get(
        isCallback(location) ? new URL(location.pathname + location.search, origin) : location,
      );
    else if (url.pathname === "/portal/login" && status === 200) response = await browser.post(url, user);
    else throw new Error(`${name}: ${url.pathname} answered ${status}`);
  }
  throw new Error(`${name}: the login never reached the callback`);
}
