import type { Express } from "express";
import session from "express-session";
import { describe, expect, test } from "vitest";
import { startWorld } from "../support/world.js";

/** A route that hands out the token, so that a test can look at it. */
const withToken = (app: Express) => {
  app.get("/test/token", async (req, res) => {
    try {
      res.json({ access_token: await req.portal.accessToken() });
    } catch (error) {
      const { code, status, headers } = error as Record<string, unknown>;
      res
        .status(Number(status))
        .set(headers as object)
        .json({ code });
    }
  });
};

/** A clock that tests turn. */
function createClock() {
  let ahead = 0;
  return {
    clock: () => Date.now() + ahead,
    later(seconds: number) {
      ahead += seconds * 1000;
    },
  };
}

describe.each([
  ["the app's own session", true],
  ["our session", false],
])("%s", (_name, ownSession) => {
  test("200 requests at once cause one refresh, and all get the new token", async () => {
    const { clock, later } = createClock();
    const { browser, url, asked, me } = await startWorld({ ownSession, after: withToken, options: { clock } });
    await browser.visit(`${url}/account`);
    const before = (await me()).tokens;
    later(300);
    const answers = await Promise.all(Array.from({ length: 200 }, () => browser.fetch(`${url}/test/token`)));
    const tokens = new Set(answers.map(({ body }) => JSON.parse(body).access_token));
    expect(asked("/oauth2/token").filter(({ body }) => body.includes("refresh_token=")).length).toBe(1);
    expect(tokens.size).toBe(1);
    expect(tokens.has(before?.access_token)).toBe(false);
    expect((await me()).tokens?.access_token).toBe([...tokens][0]);
  });
});
void session;
