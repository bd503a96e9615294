import { setTimeout } from "node:timers/promises";
import express from "express";
import session from "express-session";
import { expect, onTestFinished, test } from "vitest";
import { portalAuth } from "../../lib/index.js";
import { serve } from "../support/serve.js";
import { describeWithRedis } from "../support/servers/describe.js";
import { getClientOptions, startWorld } from "../support/world.js";

describeWithRedis("a store whose first connection is slow", (redis) => {
  test.each([
    ["the session of this package", () => []],
    [
      "the application's own session",
      () => [session({ secret: "s", resave: false, saveUninitialized: false })],
    ],
  ])("delays a login, which then succeeds, with %s", async (_name, sessions) => {
    const { browser, url, provider } = await startWorld();
    const callback = await browser.loginUntilCallback(`${url}/account`);
    redis().pause();
    const auth = portalAuth({
      ...getClientOptions({ provider, url }),
      store: redis().url,
    });
    onTestFinished(() => auth.close());
    const other = await serve(express().use(...sessions(), auth));
    const responding = browser.navigate(callback.href.replace(url, other));
    // Otherwise a request that does not wait for the connection would get its response now.
    await Promise.race([responding, setTimeout(500)]);
    redis().resume();
    expect(await responding).toMatchObject({ status: 303 });
  });
});
