// The tests of an application, with the test runner of Node.js. They need no provider and no oidc-provider.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import express from "express";
import { portalAuth, requireAuth } from "express-portal-auth";
import { fakeClock, loginAs, startTestProvider } from "express-portal-auth/testing";

const clock = fakeClock();
const app = express();
app.use(
  portalAuth({
    issuer: "https://portal.example",
    clientId: "app",
    clientSecret: "the-client-secret-of-the-app",
    redirectUri: "http://127.0.0.1:3000/callback",
    secret: "0123456789abcdef0123456789abcdef",
    clock,
  }),
);
app.get("/account", requireAuth(), (req, res) => res.json(req.portal.claims));

const server = createServer(app);
let url;
before(async () => {
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${server.address().port}`;
});
after(() => {
  server.closeAllConnections();
  server.close();
});

test("a user sees the account page, until the session expires after a week", async () => {
  const cookie = await loginAs(app, { sub: "amara" }, {}, { clock });
  const request = () => fetch(`${url}/account`, { headers: { cookie } });
  assert.deepEqual(await (await request()).json(), { sub: "amara" });
  clock.advance(7 * 24 * 3600);
  assert.equal((await request()).status, 401);
});

test("the test provider reports the missing package oidc-provider", async () => {
  await assert.rejects(startTestProvider(), /npm install --save-dev oidc-provider/);
});
