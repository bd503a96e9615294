import { describe, expect, test } from "vitest";
import type { PortalAuthError } from "../../lib/index.js";
import { createProviderFetch } from "../../lib/provider/provider-fetch.js";
import { json, logIn, TOKEN_SECONDS } from "../access/signed-in-request.js";
import { Browser } from "../support/browser.js";
import { createClock } from "../support/clock.js";
import { serve } from "../support/serve.js";
import { startWorld } from "../support/world.js";

/** An HTTP date so many seconds ahead of the test's clock. */
interface DateIn {
  readonly seconds: number;
}

const asText = (retryAfter: string | DateIn, clock: () => number): string =>
  typeof retryAfter === "string" ? retryAfter : new Date(clock() + retryAfter.seconds * 1000).toUTCString();

/** A server that asks once to be left alone, and is well afterwards. */
async function busyOnce(status: number, retryAfter: string | DateIn) {
  const { clock, later } = createClock();
  const requests: string[] = [];
  const url = await serve((req, res) => {
    requests.push(`${req.method} ${req.url}`);
    if (requests.length === 1) res.writeHead(status, { "retry-after": asText(retryAfter, clock) }).end();
    else res.end("{}");
  });
  return { url, requests, clock, later, fetch: createProviderFetch(5, undefined, clock) };
}

describe("Retry-After", () => {
  test.each<[number, string | DateIn, number]>([
    [429, "30", 30],
    [503, "30", 30],
    [429, "1", 1],
    [429, "60", 60],
    [429, "3600", 60], // somebody may have written days there
    [429, "999999999", 60],
    [429, { seconds: 45 }, 45],
    [429, { seconds: 86_400 }, 60],
  ])("of %i with %j keeps the same request back for %i s", async (status, header, seconds) => {
    const { url, requests, later, fetch } = await busyOnce(status, header);
    expect((await fetch(`${url}/keys`, {})).status).toBe(status);
    later(seconds - 1);
    await expect(fetch(`${url}/keys`, {})).rejects.toMatchObject({
      code: "portal_failed",
      status: 503,
      retryAfter: 1,
      headers: { "Retry-After": "1" },
      detail: `${url} requires a pause of 1 s (Retry-After)`,
    });
    expect(requests).toHaveLength(1);
    later(1);
    expect((await fetch(`${url}/keys`, {})).status).toBe(200);
  });

  test.each<[number, string | DateIn]>([
    [500, "30"],
    [400, "30"],
    [429, "0"],
    [429, "-5"],
    [429, "soon"],
    [429, "1e3"],
    [429, ""],
    [429, { seconds: -10 }],
  ])("of %i with %j keeps nothing back", async (status, header) => {
    const { url, fetch } = await busyOnce(status, header);
    await fetch(url, {});
    expect((await fetch(url, {})).status).toBe(200);
  });

  test("keeps back only the same kind of request", async () => {
    const { url, requests, fetch } = await busyOnce(429, "30");
    const post = (grant_type: string) => ({
      method: "POST",
      body: new URLSearchParams({ grant_type, code: "1" }),
    });
    await fetch(`${url}/token`, post("refresh_token"));
    await expect(fetch(`${url}/token`, post("refresh_token"))).rejects.toMatchObject({
      code: "portal_failed",
    });
    expect((await fetch(`${url}/token`, post("authorization_code"))).status).toBe(200);
    expect((await fetch(`${url}/token`, {})).status).toBe(200);
    expect((await fetch(`${url}/revoke`, post("refresh_token"))).status).toBe(200);
    expect(requests).toHaveLength(4);
  });

  test("of userinfo keeps back one user, and not the others", async () => {
    const { url, fetch } = await busyOnce(429, "30");
    const as = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });
    await fetch(url, as("amara"));
    await expect(fetch(url, as("amara"))).rejects.toMatchObject({ code: "portal_failed" });
    expect((await fetch(url, as("jonas"))).status).toBe(200);
  });

  test("does not become longer when the clock is set back", async () => {
    const { url, later, fetch } = await busyOnce(429, "30");
    await fetch(url, {});
    later(-3600);
    expect((await fetch(url, {})).status).toBe(200);
  });
});

describe("a provider that limits requests", () => {
  const busy = json(429, { error: "slow_down" }, { "retry-after": "30" });

  test("at a login: our 503 passes its Retry-After on, and no code is sent to it before", async () => {
    const { clock, later } = createClock();
    const { browser, url, provider, asked } = await startWorld({
      options: { clock },
      log: [/portal_failed/],
    });
    provider.answerNext("/oauth2/token", busy);
    const first = await browser.visit(`${url}/account`);
    expect([first.status, first.headers["retry-after"]]).toEqual([503, "30"]);
    later(10);
    const second = await new Browser().visit(`${url}/account`);
    expect([second.status, second.headers["retry-after"]]).toEqual([503, "20"]);
    expect(asked("/oauth2/token")).toHaveLength(1);
    later(20);
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
  });

  test.each(["/.well-known/openid-configuration", "/oauth2/jwks"])("at %s likewise", async (path) => {
    const { clock, later } = createClock();
    const { browser, url, provider, asked } = await startWorld({
      options: { clock },
      log: [/portal_failed/],
    });
    provider.answerNext(path, busy);
    for (const left of ["30", "20"]) {
      const { status, headers } = await browser.visit(`${url}/account`);
      expect([status, headers["retry-after"]]).toEqual([503, left]);
      later(10);
    }
    expect(asked(path)).toHaveLength(1);
    later(20);
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
  });

  test("at a refresh: the user stays signed in, and nobody's token is refreshed before", async () => {
    const { ask, later, me, another, provider, refreshes, log } = await logIn({ log: [/portal_failed/] });
    const jonas = await another();
    provider.answerNext("/oauth2/token", busy);
    later(TOKEN_SECONDS);
    expect(await ask()).toEqual({ status: 503, code: "portal_failed", retryAfter: "30" });
    later(29);
    expect(await ask()).toMatchObject({ status: 503, code: "portal_failed" });
    expect(await ask(jonas)).toEqual({ status: 503, code: "portal_failed", retryAfter: "1" });
    expect(refreshes()).toHaveLength(1);
    expect(log.filter((line) => line.includes("refresh answered 429"))).toHaveLength(1);
    expect((await me()).isAuthenticated).toBe(true);
    later(30);
    expect([(await ask()).status, (await ask(jonas)).status]).toEqual([200, 200]);
  });

  test("at userinfo likewise", async () => {
    const { inRequest, later, provider, asked } = await logIn({ log: [/portal_failed/] });
    provider.answerNext("/userinfo", busy);
    const userinfo = () =>
      inRequest((req) => req.portal.userinfo()).catch((error: PortalAuthError) => error.retryAfter);
    expect(await userinfo()).toBe(30);
    later(10);
    expect(await userinfo()).toBe(20);
    expect(asked("/userinfo")).toHaveLength(1);
    later(20);
    expect(await userinfo()).toMatchObject({ sub: "amara-okafor" });
  });
});
