import { describe, expect, test } from "vitest";
import type { PortalAuthError } from "../../lib/index.js";
import { createProviderFetch } from "../../lib/provider/provider-fetch.js";
import { json, logIn, TOKEN_SECONDS } from "../access/signed-in-request.js";
import { Browser } from "../support/browser.js";
import { createClock } from "../support/clock.js";
import { serve } from "../support/serve.js";
import { startWorld } from "../support/world.js";

/** An HTTP date in so many seconds, by the test's clock. */
interface RelativeDate {
  readonly seconds: number;
}

const toHeader = (retryAfter: string | RelativeDate, clock: () => number): string =>
  typeof retryAfter === "string" ? retryAfter : new Date(clock() + retryAfter.seconds * 1000).toUTCString();

/** Starts a server that requires a pause in its first response only. */
async function startBusyServer(status: number, retryAfter: string | RelativeDate) {
  const { clock, later } = createClock();
  const requests: string[] = [];
  const url = await serve((req, res) => {
    requests.push(`${req.method} ${req.url}`);
    if (requests.length === 1) res.writeHead(status, { "retry-after": toHeader(retryAfter, clock) }).end();
    else res.end("{}");
  });
  return { url, requests, clock, later, fetch: createProviderFetch(5, undefined, clock) };
}

describe("Retry-After", () => {
  test.each<[number, string | RelativeDate, number]>([
    [429, "30", 30],
    [503, "30", 30],
    [429, "1", 1],
    [429, "60", 60],
    [429, "3600", 60], // the limit of MAX_WAIT_SECONDS
    [429, "999999999", 60],
    [429, { seconds: 45 }, 45],
    [429, { seconds: 86_400 }, 60],
  ])("with status %i and %j delays the same request for %i s", async (status, header, seconds) => {
    const { url, requests, later, fetch } = await startBusyServer(status, header);
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

  test.each<[number, string | RelativeDate]>([
    [500, "30"],
    [400, "30"],
    [429, "0"],
    [429, "-5"],
    [429, "soon"],
    [429, "1e3"],
    [429, ""],
    [429, { seconds: -10 }],
  ])("with status %i and %j delays nothing", async (status, header) => {
    const { url, fetch } = await startBusyServer(status, header);
    await fetch(url, {});
    expect((await fetch(url, {})).status).toBe(200);
  });

  test("delays only requests of the same kind", async () => {
    const { url, requests, fetch } = await startBusyServer(429, "30");
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

  test("of userinfo delays one user, and no other user", async () => {
    const { url, fetch } = await startBusyServer(429, "30");
    const withToken = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });
    await fetch(url, withToken("amara"));
    await expect(fetch(url, withToken("amara"))).rejects.toMatchObject({ code: "portal_failed" });
    expect((await fetch(url, withToken("jonas"))).status).toBe(200);
  });

  test("does not become longer if the clock is set back", async () => {
    const { url, later, fetch } = await startBusyServer(429, "30");
    await fetch(url, {});
    later(-3600);
    expect((await fetch(url, {})).status).toBe(200);
  });
});

describe("a provider that limits requests", () => {
  const busy = json(429, { error: "slow_down" }, { "retry-after": "30" });

  test("at a login causes a 503 with its Retry-After, and no code is sent before that time", async () => {
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

  test.each(["/.well-known/openid-configuration", "/oauth2/jwks"])(
    "at %s causes a 503 with its Retry-After",
    async (path) => {
      const { clock, later } = createClock();
      const { browser, url, provider, asked } = await startWorld({
        options: { clock },
        log: [/portal_failed/],
      });
      provider.answerNext(path, busy);
      for (const remaining of ["30", "20"]) {
        const { status, headers } = await browser.visit(`${url}/account`);
        expect([status, headers["retry-after"]]).toEqual([503, remaining]);
        later(10);
      }
      expect(asked(path)).toHaveLength(1);
      later(20);
      expect((await browser.visit(`${url}/account`)).status).toBe(200);
    },
  );

  test("at a refresh keeps users signed in, and no token is refreshed before that time", async () => {
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

  test("at userinfo causes an error with its Retry-After", async () => {
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
