import express from "express";
import session from "express-session";
import { expect, test } from "vitest";
import { portalAuth } from "../../../lib/index.js";
import { createMemoryStore } from "../../../lib/store/memory-store.js";
import { AnotherStore } from "../../support/another-store.js";
import { Browser } from "../../support/browser.js";
import { createClock } from "../../support/clock.js";
import { createGate } from "../../support/gate.js";
import { serve } from "../../support/serve.js";
import { CLIENT_ID, CLIENT_SECRET, SESSION_SECRET, startWorld } from "../../support/world.js";

// express-session is mounted for all paths, and portalAuth() only below /shop. A second process serves only
// /cart. There, express-session saves old copies of sessions, and portalAuth() has not seen the store.

const settings = { secret: "the app's own", resave: false, saveUninitialized: false };

async function start() {
  const { clock, later } = createClock();
  const sessions = new Map<string, string>();
  const store = createMemoryStore(clock);
  const world = await startWorld({
    mount: "/shop",
    provider: { rotateRefreshTokens: true },
    options: { clock, store },
    before: (app) => app.use(session({ ...settings, store: new AnotherStore(sessions) })),
    after(app) {
      app.get("/shop/test/token", async (req, res) => {
        res.send(await req.portal.accessToken());
      });
    },
  });
  const { browser, url } = world;
  await browser.visit(`${url}/shop/account`);

  const loaded = createGate();
  const resume = createGate();
  const secondProcess = express();
  secondProcess.use(session({ ...settings, store: new AnotherStore(sessions) }));
  const options = { issuer: world.provider.issuer, clientId: CLIENT_ID, clientSecret: CLIENT_SECRET };
  secondProcess.use(
    "/shop",
    portalAuth({ ...options, redirectUri: `${url}/shop/callback`, secret: SESSION_SECRET, clock, store }),
  );
  secondProcess.get("/cart", async (req, res) => {
    loaded.open();
    await resume.opened;
    Object.assign(req.session, { cart: "book" });
    res.end();
  });
  const headers = { cookie: await browser.jar.getCookieString(`${url}/shop`) };
  const slow = new Browser().fetch(`${await serve(secondProcess)}/cart`, { headers });
  await loaded.opened;
  return {
    ...world,
    later,
    headers,
    sessions,
    saveOldCopy() {
      resume.open();
      return slow;
    },
  };
}

test("a login that has ended stays ended if another process saves an old copy of its session", async () => {
  const { browser, url, headers, sessions, saveOldCopy } = await start();
  expect((await browser.navigate(`${url}/shop/logout`, { site: "same-origin" })).status).toBe(303);
  await saveOldCopy();
  // express-session has saved its copy.
  expect([...sessions.values()].join()).toContain("book");
  expect((await new Browser().fetch(`${url}/shop/account`, { headers })).status).toBe(401);
  expect([...sessions.values()].join()).not.toContain("book");
});

test("new tokens stay if another process saves an old copy of their session", async () => {
  const { browser, url, later, saveOldCopy } = await start();
  later(301);
  const { body: token } = await browser.fetch(`${url}/shop/test/token`);
  await saveOldCopy();
  expect((await browser.fetch(`${url}/shop/test/token`)).body).toBe(token);
  // The provider would reject the old refresh token.
  later(301);
  expect((await browser.fetch(`${url}/shop/test/token`)).status).toBe(200);
});
