import { setTimeout } from "node:timers/promises";
import express from "express";
import session from "express-session";
import { expect, onTestFinished, test } from "vitest";
import { portalAuth } from "../../lib/index.js";
import { serve } from "../support/serve.js";
import { describeWithRedis } from "../support/servers/describe.js";
import { CLIENT_ID, CLIENT_SECRET, SESSION_SECRET, startWorld } from "../support/world.js";

describeWithRedis("a store whose first connection takes a while", (redis) => {
  test.each([
    ["a session of our own", () => []],
    [
      "an application's own session",
      () => [session({ secret: "s", resave: false, saveUninitialized: false })],
    ],
  ])("delays a login, and does not fail it, with %s", async (_name, sessions) => {
    const { browser, url, provider } = await startWorld();
    const callback = await browser.loginUntilCallback(`${url}/account`);
    redis().pause();
    const auth = portalAuth({
      issuer: provider.issuer,
      clientId: CLIENT_ID,
      clientSecret: CLIENT_SECRET,
      redirectUri: `${url}/callback`,
      secret: SESSION_SECRET,
      store: redis().url,
    });
    onTestFinished(() => auth.close());
    const other = await serve(express().use(...sessions(), auth));
    const answering = browser.navigate(callback.href.replace(url, other));
    // A request that does not wait for the connection is answered meanwhile.
    await Promise.race([answering, setTimeout(500)]);
    redis().resume();
    expect(await answering).toMatchObject({ status: 303 });
  });
});
