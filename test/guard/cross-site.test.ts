import type { Express } from "express";
import { describe, expect, test, vi } from "vitest";
import { requireAuth } from "../../lib/index.js";
import { Browser } from "../support/browser.js";
import { startWorld, type WorldOptions } from "../support/world.js";

const LOGGED = [/cross_site_refused \(403\)/];

/** A handler behind a guard that asks where requests come from; somebody is logged in. */
async function start(given: WorldOptions = {}) {
  const reached = vi.fn();
  const after = (app: Express) => {
    app.all("/thing", requireAuth({ csrf: true }), (_req, res) => {
      reached();
      res.send("done");
    });
  };
  const world = await startWorld({ after, ...given });
  await world.browser.visit(`${world.url}/account`);
  return { ...world, reached };
}

describe("requireAuth({ csrf })", () => {
  test.each([4, 5] as const)("lets the site's own page act (Express %d)", async (version) => {
    const { browser, url } = await start({ express: version });
    for (const method of ["GET", "POST", "DELETE"])
      expect((await browser.fetch(`${url}/thing`, { method })).body).toBe("done");
    expect((await browser.navigate(`${url}/thing`, { method: "POST", site: "same-origin" })).body).toBe(
      "done",
    );
  });

  test("lets older browsers act by their Origin, and programs by the header", async () => {
    const { browser, url } = await start();
    for (const headers of [{ origin: url }, { "x-csrf": "1" }])
      expect((await browser.request(`${url}/thing`, { method: "POST", headers })).body).toBe("done");
  });

  test("refuses a sibling's form although it carries the session, with a page, and calls no handler", async () => {
    const { browser, url, reached } = await start({ log: LOGGED });
    const answer = await browser.navigate(`${url}/thing`, { method: "POST", site: "same-site" });
    expect([answer.status, answer.headers["content-type"]]).toEqual([403, "text/html; charset=utf-8"]);
    expect(answer.body).toContain("This request did not come from this site, so it was blocked.");
    expect(answer.body).not.toContain("/login");
    expect(reached).not.toHaveBeenCalled();
  });

  test("refuses a fetch as problem+json, and says in the log what was seen", async () => {
    const { browser, url, reached, log } = await start({ log: LOGGED });
    const answer = await browser.fetch(`${url}/thing`, { method: "PUT", site: "same-site" });
    expect([answer.status, answer.headers["content-type"]]).toEqual([403, "application/problem+json"]);
    const { code, login } = JSON.parse(answer.body);
    expect([code, login]).toEqual(["cross_site_refused", undefined]);
    expect(log.join()).toContain("[PUT, Sec-Fetch-Site: same-site]");
    expect(reached).not.toHaveBeenCalled();
  });

  test("takes a header that was sent twice for neither", async () => {
    const { browser, url } = await start({ log: LOGGED });
    const headers = { "sec-fetch-site": ["same-origin", "cross-site"] } as unknown as Record<string, string>;
    expect((await browser.request(`${url}/thing`, { method: "POST", headers })).status).toBe(403);
  });

  test("says so before it says that nobody is logged in, and no login begins", async () => {
    const { url } = await start({ log: LOGGED });
    const stranger = new Browser();
    const refused = await stranger.navigate(`${url}/thing`, { method: "POST", site: "cross-site" });
    expect([refused.status, refused.headers["set-cookie"]]).toEqual([403, undefined]);
    expect((await stranger.fetch(`${url}/thing`, { method: "POST" })).status).toBe(401);
    expect((await stranger.navigate(`${url}/thing`)).status).toBe(302); // a page is only looked at
  });

  test("keeps a stranger's words out of the log", async () => {
    const { browser, url, log } = await start({ log: LOGGED });
    await browser.request(`${url}/thing`, { method: "POST", headers: { "sec-fetch-site": "forged words" } });
    expect(log.join()).toContain("Sec-Fetch-Site: something else");
    expect(log.join()).not.toContain("forged words");
  });
});

test("without csrf a guard asks nothing of the kind", async () => {
  const after = (app: Express) => app.post("/free", requireAuth(), (_req, res) => void res.send("done"));
  const { browser, url } = await start({ after });
  expect((await browser.fetch(`${url}/free`, { method: "POST", site: "same-site" })).body).toBe("done");
});

test("a wrong option fails when the app starts", () => {
  // @ts-expect-error a wrong type
  expect(() => requireAuth({ csrf: "yes" })).toThrow("requireAuth: csrf must be");
  expect(() => requireAuth({ csrf: { header: "accept" } })).toThrow(
    "requireAuth: csrf.header must begin with X-",
  );
});
