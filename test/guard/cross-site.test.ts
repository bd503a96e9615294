import type { Express } from "express";
import { describe, expect, test, vi } from "vitest";
import { requireAuth } from "../../lib/index.js";
import { Browser } from "../support/browser.js";
import { startWorld, type WorldOptions } from "../support/world.js";

const LOGGED = [/cross_site_refused \(403\)/];

/** Starts an application with a guard that checks where requests come from, and signs a user in. */
async function start(options: WorldOptions = {}) {
  const reached = vi.fn();
  const after = (app: Express) => {
    app.all("/thing", requireAuth({ csrf: true }), (_req, res) => {
      reached();
      res.send("done");
    });
  };
  const world = await startWorld({ after, ...options });
  await world.browser.visit(`${world.url}/account`);
  return { ...world, reached };
}

describe("requireAuth({ csrf })", () => {
  test.each([4, 5] as const)("lets a page of this site send a request (Express %d)", async (version) => {
    const { browser, url } = await start({ express: version });
    for (const method of ["GET", "POST", "DELETE"])
      expect((await browser.fetch(`${url}/thing`, { method })).body).toBe("done");
    expect((await browser.navigate(`${url}/thing`, { method: "POST", site: "same-origin" })).body).toBe(
      "done",
    );
  });

  test("accepts the Origin of older browsers and the header of programs", async () => {
    const { browser, url } = await start();
    for (const headers of [{ origin: url }, { "x-csrf": "1" }])
      expect((await browser.request(`${url}/thing`, { method: "POST", headers })).body).toBe("done");
  });

  test("rejects a form of a sibling site with a page, although it carries the session cookie", async () => {
    const { browser, url, reached } = await start({ log: LOGGED });
    const answer = await browser.navigate(`${url}/thing`, { method: "POST", site: "same-site" });
    expect([answer.status, answer.headers["content-type"]]).toEqual([403, "text/html; charset=utf-8"]);
    expect(answer.body).toContain("This request did not come from this site, so it was blocked.");
    expect(answer.body).not.toContain("/login");
    expect(reached).not.toHaveBeenCalled();
  });

  test("rejects a fetch with problem+json and logs the request's origin", async () => {
    const { browser, url, reached, log } = await start({ log: LOGGED });
    const answer = await browser.fetch(`${url}/thing`, { method: "PUT", site: "same-site" });
    expect([answer.status, answer.headers["content-type"]]).toEqual([403, "application/problem+json"]);
    const { code, login } = JSON.parse(answer.body);
    expect([code, login]).toEqual(["cross_site_refused", undefined]);
    expect(log.join()).toContain("[PUT, Sec-Fetch-Site: same-site]");
    expect(reached).not.toHaveBeenCalled();
  });

  test("rejects a header that was sent twice", async () => {
    const { browser, url } = await start({ log: LOGGED });
    const headers = { "sec-fetch-site": ["same-origin", "cross-site"] } as unknown as Record<string, string>;
    expect((await browser.request(`${url}/thing`, { method: "POST", headers })).status).toBe(403);
  });

  test("rejects a visitor before the login check, so that no login starts", async () => {
    const { url } = await start({ log: LOGGED });
    const visitor = new Browser();
    const rejected = await visitor.navigate(`${url}/thing`, { method: "POST", site: "cross-site" });
    expect([rejected.status, rejected.headers["set-cookie"]]).toEqual([403, undefined]);
    expect((await visitor.fetch(`${url}/thing`, { method: "POST" })).status).toBe(401);
    expect((await visitor.navigate(`${url}/thing`)).status).toBe(302); // a GET changes nothing
  });

  test("logs no text that an attacker can choose", async () => {
    const { browser, url, log } = await start({ log: LOGGED });
    await browser.request(`${url}/thing`, { method: "POST", headers: { "sec-fetch-site": "forged words" } });
    expect(log.join()).toContain("Sec-Fetch-Site: another value");
    expect(log.join()).not.toContain("forged words");
  });
});

test("a guard without csrf accepts requests from other sites", async () => {
  const after = (app: Express) => app.post("/free", requireAuth(), (_req, res) => void res.send("done"));
  const { browser, url } = await start({ after });
  expect((await browser.fetch(`${url}/free`, { method: "POST", site: "same-site" })).body).toBe("done");
});

test("an invalid option fails at start-up", () => {
  // @ts-expect-error a wrong type
  expect(() => requireAuth({ csrf: "yes" })).toThrow("requireAuth: csrf must be");
  expect(() => requireAuth({ csrf: { header: "accept" } })).toThrow(
    "requireAuth: csrf.header must begin with X-",
  );
});
