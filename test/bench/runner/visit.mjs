import { EVERYBODY } from "../programs/people.mjs";
import { send } from "./browser.mjs";

const PERSON = { sub: "amara-okafor" };
const MOST_STEPS = 10;

/**
 * A login as a person does it, so that the session holds exactly what a login stores, whatever that will be; afterwards
 * the portal knows this browser.
 */
export async function logInOnce(app) {
  await logIn(app, app.browser);
  app.account = new URL("/account", app.origin);
  app.headers = { accept: "application/json", cookie: app.browser.cookie(app.origin) };
  const { status, text } = await getAccount(app);
  if (text !== JSON.stringify(PERSON)) throw new Error(`${app.name}: /account answered ${status} ${text}`);
}

/** A request of somebody who is logged in. */
export async function getAccount({ name, agent, account, headers }) {
  const answer = await send(agent, account, { headers });
  if (answer.status !== 200) throw new Error(`${name}: /account answered ${answer.status}`);
  return answer;
}

const browsersAt = new Map();

/** Many people, as what an app keeps of one person grows with their logins. Afterwards the portal knows all of them. */
export async function logInEverybody(app) {
  if (!browsersAt.has(app.issuer)) browsersAt.set(app.issuer, await browsersOfAll(app));
  app.browsers = [...browsersAt.get(app.issuer)];
}

async function browsersOfAll(app) {
  const browsers = [];
  for (const person of EVERYBODY) {
    const browser = app.browser.fresh(app.origin);
    await logIn(app, browser, person);
    browsers.push(browser);
  }
  return browsers;
}

/** A login of somebody whom the portal knows, by a browser that the app has not seen; it is another person's turn each time. */
export async function logInSilently(app) {
  const browser = app.browsers.shift();
  app.browsers.push(browser);
  await logIn(app, browser.fresh(app.issuer));
}

const isCallback = ({ pathname }) => pathname === "/callback";

/** From /login to the answer of /callback. */
export async function logIn({ name, origin, login = "/login" }, browser, person = PERSON) {
  let answer = await browser.get(new URL(login, origin));
  for (let steps = 0; steps < MOST_STEPS; steps += 1) {
    const { url, status, location } = answer;
    if (isCallback(url)) {
      if (status !== 303) throw new Error(`${name}: /callback answered ${status}`);
      return;
    }
    // of several processes any may answer the callback, as behind a load balancer: this one does
    if (location)
      answer = await browser.get(
        isCallback(location) ? new URL(location.pathname + location.search, origin) : location,
      );
    else if (url.pathname === "/portal/login" && status === 200) answer = await browser.post(url, person);
    else throw new Error(`${name}: ${url.pathname} answered ${status}`);
  }
  throw new Error(`${name}: never came to the callback`);
}
