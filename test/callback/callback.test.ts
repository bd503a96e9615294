import { connect } from "node:net";
import express, { type RequestHandler } from "express";
import { describe, expect, test, vi } from "vitest";
import type { LoginContext, PortalAuthError } from "../../lib/index.js";
import { type Answer, Browser } from "../support/browser.js";
import { advanceDate } from "../support/fake-time.js";
import { leadTo, startWorld, type WorldOptions } from "../support/world.js";

const TEN_MINUTES_MS = 10 * 60 * 1000;

/** Returns the URL with one parameter changed or removed. */
function withParameter(url: URL, name: string, value: string | undefined): URL {
  const copy = new URL(url);
  if (value === undefined) copy.searchParams.delete(name);
  else copy.searchParams.set(name, value);
  return copy;
}

describe("a callback", () => {
  test.each(["code", "state", "iss", "error", "error_description", "error_uri", "session_state"])(
    "with a repeated %s is rejected, and the attempt is not used up",
    async (name) => {
      const { browser, url, asked, me } = await startWorld({ log: [/callback_invalid/] });
      const callback = await browser.loginUntilCallback(`${url}/account`);
      const twice = new URL(callback);
      twice.searchParams.append(name, twice.searchParams.get(name) ?? "x");
      if (twice.searchParams.getAll(name).length < 2) twice.searchParams.append(name, "x");
      const refused = await browser.navigate(twice);
      expect([refused.status, asked("/oauth2/token").length]).toEqual([400, 0]);
      expect(refused.body).toContain("callback_invalid");
      expect((await browser.navigate(callback)).headers.location).toBe("/account");
      expect((await me()).isAuthenticated).toBe(true);
    },
  );

  test.each<[string, (callback: URL) => URL]>([
    ["no state", (callback) => withParameter(callback, "state", undefined)],
    ["an empty state", (callback) => withParameter(callback, "state", "")],
    ["neither code nor error", (callback) => withParameter(callback, "code", undefined)],
    ["an empty code", (callback) => withParameter(callback, "code", "")],
    ["code and error", (callback) => withParameter(callback, "error", "access_denied")],
  ])("with %s is rejected", async (_name, change) => {
    const { browser, url, asked } = await startWorld({ log: [/callback_invalid/] });
    const callback = change(await browser.loginUntilCallback(`${url}/account`));
    expect((await browser.navigate(callback)).status).toBe(400);
    expect(asked("/oauth2/token")).toEqual([]);
  });
});

describe("a login can be finished only in its browser, and only for ten minutes:", () => {
  test("a callback URL of another browser gets a sign-in link, and the code is not sent", async () => {
    const { browser, url, asked, me } = await startWorld({ log: [/login_cookies_blocked/] });
    const callback = await browser.loginUntilCallback(`${url}/account`);
    const victim = new Browser();
    const page = await victim.navigate(callback);
    expect(page.status).toBe(400);
    expect(page.body).toContain('href="/login"');
    expect(page.body).toContain("login_cookies_blocked");
    expect((await me(victim)).isAuthenticated).toBe(false);
    expect(asked("/oauth2/token")).toEqual([]);
  });

  test("a forged state is rejected with login_not_found", async () => {
    const { browser, url } = await startWorld({ log: [/login_not_found/] });
    const callback = await browser.loginUntilCallback(`${url}/account`);
    expect((await browser.navigate(withParameter(callback, "state", "made-up"))).body).toContain(
      "login_not_found",
    );
  });

  test("the cookie of another login is rejected with login_cookie_lost", async () => {
    const { browser, url } = await startWorld({ log: [/login_cookie_lost/] });
    const mine = await browser.loginUntilCallback(`${url}/account?tab=1`);
    const [[, value = ""] = []] = [...(await browser.cookies(url))].filter(([key]) =>
      key.startsWith("portal-login."),
    );
    const attacker = new Browser();
    const attackersCallback = await attacker.loginUntilCallback(`${url}/account?tab=2`);
    const [[name = ""] = []] = [...(await attacker.cookies(url))].filter(([key]) =>
      key.startsWith("portal-login."),
    );
    await attacker.jar.setCookie(`${name}=${value}; Path=/`, url);
    expect((await attacker.navigate(attackersCallback)).body).toContain("login_cookie_lost");
    expect((await browser.navigate(mine)).status).toBe(303);
  });

  test.each(["garbled", "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..aaaa.bbbb.cccc", "a.b.c.d.e", ""])(
    "a login cookie with the value %j is rejected",
    async (value) => {
      const { browser, url } = await startWorld({ log: [/login_cookie_lost/] });
      const callback = await browser.loginUntilCallback(`${url}/account`);
      const [[name = ""] = []] = [...(await browser.cookies(url))].filter(([key]) =>
        key.startsWith("portal-login."),
      );
      await browser.jar.setCookie(`${name}=${value}; Path=/`, url);
      expect((await browser.navigate(callback)).status).toBe(400);
    },
  );

  test("a login expires after ten minutes, even if the browser has kept the cookie", async () => {
    const { browser, url, asked } = await startWorld({ log: [/login_expired/] });
    const callback = await browser.loginUntilCallback(`${url}/account`);
    const cookie = [...(await browser.cookies(url))].map(([name, value]) => `${name}=${value}`).join("; ");
    advanceDate(TEN_MINUTES_MS);
    const page = await browser.navigate(callback, { headers: { cookie } });
    expect([page.status, asked("/oauth2/token").length]).toEqual([400, 0]);
    expect(page.body).toContain("login_expired");
    expect(page.body).toContain("Sign in again");
  });

  test("a login has not expired five seconds before that", async () => {
    const { browser, url } = await startWorld();
    const callback = await browser.loginUntilCallback(`${url}/account`);
    const cookie = [...(await browser.cookies(url))].map(([name, value]) => `${name}=${value}`).join("; ");
    advanceDate(TEN_MINUTES_MS - 5000);
    // The provider's code lives five minutes, so the provider returns an error. It only matters that the
    // state is valid.
    const denied = withParameter(withParameter(callback, "code", undefined), "error", "access_denied");
    expect((await browser.navigate(denied, { headers: { cookie } })).body).toContain("login_denied");
  });

  test("a pending login can be finished after a rotation as long as its secret is still listed", async () => {
    const old = "o".repeat(40);
    const fresh = "n".repeat(40);
    const before = await startWorld({ options: { secret: old } });
    await before.browser.navigate(`${before.url}/login`);
    const cookies = [...(await before.browser.cookies(before.url))];
    const [name = "", value = ""] = cookies[0] ?? [];
    for (const [secret, status] of [
      [[fresh, old], 303],
      [[fresh], 400],
    ] as const) {
      const state =
        new URL(before.browser.answers[0]?.headers.location ?? "").searchParams.get("state") ?? "";
      const { provider, url } = before;
      const options = { secret, issuer: provider.issuer, redirectUri: `${url}/callback` };
      const after = await startWorld({ options, log: [/login_secret_changed/, /login_denied/] });
      const answer = await after.browser.navigate(
        `${after.url}/callback?error=access_denied&state=${state}`,
        {
          headers: { cookie: `${name}=${value}` },
        },
      );
      expect(answer.status).toBe(status === 303 ? 403 : 400);
    }
  });
});

describe("the code is sent to the token endpoint only once:", () => {
  test("simultaneous callbacks share one exchange, and each response sets the session cookie", async () => {
    const { browser, url, asked, me } = await startWorld();
    const callback = await browser.loginUntilCallback(`${url}/account?tab=1`);
    const cookie = [...(await browser.cookies(url))].map(([name, value]) => `${name}=${value}`).join("; ");
    const clicks = await Promise.all(
      [1, 2, 3].map(() => browser.navigate(callback, { headers: { cookie } })),
    );
    expect(clicks.map(({ status, headers }) => [status, headers.location])).toEqual(
      Array(3).fill([303, "/account?tab=1"]),
    );
    expect(asked("/oauth2/token")).toHaveLength(1);
    const sessions = clicks.map(({ headers }) =>
      headers["set-cookie"]?.find((line) => line.startsWith("portal-session=")),
    );
    expect(new Set(sessions.map((line) => line?.split(";")[0])).size).toBe(1);
    expect((await me()).isAuthenticated).toBe(true);
  });

  test.each([true, false])(
    "a browser that gets only one of two responses is signed in (session of the app: %s)",
    async (ownSession) => {
      const { browser, url, me } = await startWorld({ ownSession });
      const callback = await browser.loginUntilCallback(`${url}/account`);
      const cookie = [...(await browser.cookies(url))].map(([name, value]) => `${name}=${value}`).join("; ");
      const clients = [new Browser(), new Browser()];
      await Promise.all(clients.map((client) => client.navigate(callback, { headers: { cookie } })));
      for (const client of clients)
        expect(await me(client)).toMatchObject({ isAuthenticated: true, claims: { sub: "amara-okafor" } });
    },
  );

  test("a second callback that was sent before the first response shares the outcome", async () => {
    const { browser, url, asked, me } = await startWorld();
    const callback = await browser.loginUntilCallback(`${url}/account`);
    const cookie = [...(await browser.cookies(url))].map(([name, value]) => `${name}=${value}`).join("; ");
    await browser.navigate(callback, { headers: { cookie } });
    const late = new Browser();
    expect((await late.navigate(callback, { headers: { cookie } })).headers.location).toBe("/account");
    expect((await me(late)).isAuthenticated).toBe(true);
    expect(asked("/oauth2/token")).toHaveLength(1);
  });

  test("a second callback after a logout does not sign the user in again", async () => {
    const { browser, url, asked, me } = await startWorld();
    const callback = await browser.loginUntilCallback(`${url}/account`);
    const cookie = [...(await browser.cookies(url))].map(([name, value]) => `${name}=${value}`).join("; ");
    await browser.navigate(callback, { headers: { cookie } });
    await browser.navigate(`${url}/logout`, { site: "same-origin" });
    const late = new Browser();
    expect((await late.navigate(callback, { headers: { cookie } })).status).toBe(303);
    expect((await me(late)).isAuthenticated).toBe(false);
    expect(asked("/oauth2/token")).toHaveLength(1);
  });

  test("Reload and Back lead to the page of that login, and the session stays unchanged", async () => {
    const { browser, url, asked } = await startWorld();
    const callback = await browser.loginUntilCallback(`${url}/account?tab=1`);
    await browser.visit(callback);
    const session = (await browser.cookies(url)).get("portal-session");
    const reloaded = await browser.navigate(callback);
    expect([reloaded.status, reloaded.headers.location]).toEqual([303, "/account?tab=1"]);
    expect((await browser.cookies(url)).get("portal-session")).toBe(session);
    expect(asked("/oauth2/token")).toHaveLength(1);
  });

  test("Reload leads to the page that a hook chose", async () => {
    const { browser, url } = await startWorld({
      options: { hooks: { onLogin: leadTo("/welcome") } },
    });
    const callback = await browser.loginUntilCallback(`${url}/account`);
    expect((await browser.navigate(callback)).headers.location).toBe("/welcome");
    expect((await browser.navigate(callback)).headers.location).toBe("/welcome");
  });

  test("a failed login is used up: Reload leads to its page, and the code is not sent again", async () => {
    const { browser, url, provider, asked } = await startWorld({ log: [/portal_failed/] });
    const callback = await browser.loginUntilCallback(`${url}/account`);
    provider.answerNext("/oauth2/token", (_req, res) => res.writeHead(500).end());
    expect((await browser.navigate(callback)).status).toBe(503);
    const reloaded = await browser.navigate(callback);
    expect([reloaded.status, reloaded.headers.location]).toEqual([303, "/account"]);
    expect(asked("/oauth2/token")).toHaveLength(1);
  });

  test("a prefetch or a HEAD request does not use up the attempt", async () => {
    const { browser, url, asked } = await startWorld();
    const callback = await browser.loginUntilCallback(`${url}/account`);
    for (const headers of [
      { "sec-purpose": "prefetch" },
      { purpose: "prefetch" },
      { "x-moz": "prefetch" },
    ] as const)
      expect((await browser.navigate(callback, { headers: { ...headers } })).status).toBe(503);
    expect((await browser.navigate(callback, { method: "HEAD" })).status).toBe(204);
    expect(asked("/oauth2/token")).toEqual([]);
    expect((await browser.navigate(callback)).headers.location).toBe("/account");
  });

  test("a failed discovery does not use up the attempt: the same URL works later", async () => {
    const first = await startWorld();
    const callback = await first.browser.loginUntilCallback(`${first.url}/account`);
    // another process of the same app, which has not discovered the provider yet
    const second = await startWorld({
      options: { issuer: first.provider.issuer, redirectUri: `${first.url}/callback` },
      log: [/portal_failed/],
    });
    first.provider.answerNext("/.well-known/openid-configuration", (_req, res) => res.writeHead(503).end());
    const elsewhere = new URL(callback.pathname + callback.search, second.url);
    expect((await first.browser.navigate(elsewhere)).status).toBe(503);
    expect((await first.browser.navigate(elsewhere)).status).toBe(303);
  });
});

describe("the parameter iss (RFC 9207)", () => {
  test("is rejected if it names another issuer, and the code is not sent", async () => {
    const { browser, url, asked } = await startWorld({ log: [/response_issuer_mismatch/] });
    const callback = await browser.loginUntilCallback(`${url}/account`);
    const page = await browser.navigate(withParameter(callback, "iss", "https://evil.example"));
    expect(page.body).toContain("response_issuer_mismatch");
    expect([page.status, asked("/oauth2/token").length]).toEqual([400, 0]);
  });

  test("is required if discovery announces it", async () => {
    const { browser, url, asked } = await startWorld({
      provider: { document: "full" },
      options: { profile: "openid" },
      log: [/response_issuer_mismatch/],
    });
    const callback = await browser.loginUntilCallback(`${url}/account`);
    expect(callback.searchParams.get("iss")).toMatch(/^http:/);
    expect((await browser.navigate(withParameter(callback, "iss", undefined))).status).toBe(400);
    expect(asked("/oauth2/token")).toEqual([]);
  });

  test("is accepted if it names the provider's issuer, whether discovery announces it or not", async () => {
    const announced = await startWorld({ provider: { document: "full" }, options: { profile: "openid" } });
    expect((await announced.browser.visit(`${announced.url}/account`)).status).toBe(200);
    const { browser, url, provider } = await startWorld();
    const callback = await browser.loginUntilCallback(`${url}/account`);
    expect((await browser.navigate(withParameter(callback, "iss", provider.issuer))).status).toBe(303);
  });
});

describe("an error of the provider", () => {
  test("gets a neutral page with a link back, and no line in the log, if it is access_denied", async () => {
    const { browser, url, log } = await startWorld();
    const callback = withParameter(await browser.loginUntilCallback(`${url}/account`), "code", undefined);
    const page = await browser.navigate(withParameter(callback, "error", "access_denied"));
    expect(page.status).toBe(403);
    expect(page.body).toContain("<p>Sign-in was cancelled or denied.</p>");
    expect(page.body).toContain('href="/login?returnTo=%2Faccount"'); // to the requested page
    expect(log.filter((line) => line.includes("login_denied"))).toEqual([]);
  });

  describe("with a description", () => {
    const REASON = "Your e-mail is not verified";
    const seen = (errors: PortalAuthError[]) =>
      errors.map(({ code, providerDescription }) => [code, providerDescription]);

    async function denied(log: RegExp, options: WorldOptions["options"] = {}) {
      const errors: PortalAuthError[] = [];
      const hooks = { onError: (error: PortalAuthError) => void errors.push(error) };
      const world = await startWorld({ options: { ...options, hooks }, log: [log] });
      const callback = withParameter(
        await world.browser.loginUntilCallback(`${world.url}/account`),
        "code",
        undefined,
      );
      const query = withParameter(
        withParameter(callback, "error", "access_denied"),
        "error_description",
        REASON,
      );
      return { ...world, errors, query };
    }

    test("reports its reason to the log and to onError, and the page stays neutral", async () => {
      const { browser, log, errors, query } = await denied(/login_denied/);
      const page = await browser.navigate(query);
      expect(page.body).toContain("<p>Sign-in was cancelled or denied.</p>");
      expect(page.body).not.toContain("verified");
      expect(
        log.filter((line) => line.includes(`access_denied: the provider says "${REASON}"`)),
      ).toHaveLength(1);
      expect(seen(errors)).toEqual([["login_denied", REASON]]);
    });

    test("gets a neutral problem+json if a script requests the callback", async () => {
      const { browser, query } = await denied(/login_denied/);
      const { body } = await browser.fetch(query);
      expect(JSON.parse(body)).toMatchObject({
        code: "login_denied",
        title: "Sign-in was cancelled or denied.",
      });
      expect(body).not.toContain("verified");
    });

    test("reports its reason if it is posted, and both responses stay neutral", async () => {
      const { browser, url, log, errors, query } = await denied(/login_denied/);
      const form = new URLSearchParams(query.search);
      const posted = await browser.navigate(`${url}/callback`, { method: "POST", site: "cross-site", form });
      const page = await browser.navigate(new URL(posted.headers.location ?? "", `${url}/callback`));
      expect(page.body + posted.body + posted.headers.location).not.toContain("verified");
      expect(log.join()).toContain(REASON);
      expect(seen(errors)).toEqual([["login_denied", REASON]]);
    });

    test.each(["GET", "POST"])(
      "reports its reason without a state (%s), and the page stays neutral",
      async (method) => {
        const { browser, url, log, errors, query } = await denied(/callback_invalid/);
        const form = new URLSearchParams(withParameter(query, "state", undefined).search);
        const page = await (method === "GET"
          ? browser.navigate(`${url}/callback?${form}`)
          : browser.navigate(`${url}/callback`, { method, site: "cross-site", form }));
        expect(page.body).not.toContain("verified");
        expect(log.join()).toContain(`[state missing, error access_denied: the provider says "${REASON}"]`);
        expect(seen(errors)).toEqual([["callback_invalid", REASON]]);
      },
    );

    test("reports its reason if the login's cookie is lost, and the page stays neutral", async () => {
      const { browser, log, errors, query } = await denied(/login_cookie/);
      await browser.jar.removeAllCookies();
      const page = await browser.navigate(query);
      expect(page.body).not.toContain("verified");
      expect(log.join()).toContain(`the provider answered access_denied: the provider says "${REASON}"`);
      expect(seen(errors)).toEqual([[expect.stringMatching(/^login_cookie/), REASON]]);
    });

    test("gets one short line without secrets in the log, for any description", async () => {
      const { browser, log, query } = await denied(/login_denied/, { clientSecret: "short-one" });
      const state = query.searchParams.get("state") ?? "";
      const says = `\r\n[express-portal-auth] FAKE \u202e\u001b[31m short-one ${state} ${"x ".repeat(2000)}`;
      await browser.navigate(withParameter(query, "error_description", says));
      const [line = "", ...more] = log.filter((one) => one.includes("login_denied"));
      expect(more).toEqual([]);
      expect(line).toMatch(/the provider says "\[express-portal-auth\] FAKE \[31m \[…\] \[…\] x x /);
      expect(line).not.toMatch(/[\p{C}]/u);
      expect(line.length).toBeLessThan(1000);
    });
  });

  test("is rejected with login_not_found if the state is forged", async () => {
    const { browser, url } = await startWorld({ log: [/login_not_found/] });
    const page = await browser.navigate(`${url}/callback?error=access_denied&state=made-up`);
    expect(page.body).toContain("login_not_found");
    expect(page.body).not.toContain("cancelled");
  });

  test.each([
    ["login_required", 401, "interaction_needed"],
    ["interaction_required", 401, "interaction_needed"],
    ["consent_required", 401, "interaction_needed"],
    ["server_error", 503, "portal_failed"],
    ["temporarily_unavailable", 503, "portal_failed"],
    ["invalid_request", 400, "authorization_refused"],
    ["invalid_scope", 400, "authorization_refused"],
    ["constructor", 400, "authorization_refused"],
    ["<script>alert(1)</script>", 400, "authorization_refused"],
  ])("gets, if it is %s, the status %i and the code %s", async (error, status, code) => {
    const { browser, url } = await startWorld({ log: [new RegExp(code)] });
    const callback = await browser.loginUntilCallback(`${url}/account`);
    const failed = withParameter(withParameter(callback, "code", undefined), "error", error);
    failed.searchParams.set("error_description", '"><img src=x onerror=alert(1)>');
    const page = await browser.navigate(failed);
    expect([page.status, page.body.includes(code)]).toEqual([status, true]);
    expect(page.body).not.toContain("<script>");
    expect(page.body).not.toContain("onerror");
  });

  test("gets a line in the log if the provider rejects the PKCE method", async () => {
    const { browser, url, log } = await startWorld({ log: [/authorization_refused/] });
    const start = new URL((await browser.navigate(`${url}/login`)).headers.location ?? "");
    start.searchParams.set("code_challenge_method", "plain");
    const page = await browser.visit(start);
    expect(page.status).toBe(400);
    expect(log.join()).toContain("invalid_request");
  });
});

describe("the unsigned members of the response", () => {
  const USER = '{"name":{"firstName":"Amara","lastName":"Ọkafọ"}}'; // Apple, at the first login

  async function loginWith(query: Record<string, string>) {
    const seen: unknown[] = [];
    const onLogin = ({ authorizationResponse }: LoginContext) => void seen.push(authorizationResponse);
    const world = await startWorld({ options: { hooks: { onLogin } }, log: [/callback_invalid/] });
    const callback = await world.browser.loginUntilCallback(`${world.url}/account`);
    for (const [name, value] of Object.entries(query)) callback.searchParams.append(name, value);
    return { ...world, callback, seen };
  }

  test("reach onLogin from the query, without code and state", async () => {
    const { browser, callback, seen } = await loginWith({ user: USER, session_state: "a.b", toString: "x" });
    callback.searchParams.append("twice", "1");
    callback.searchParams.append("twice", "2");
    expect((await browser.navigate(callback)).headers.location).toBe("/account");
    const [members] = seen as [Record<string, string>];
    expect({ ...members }).toEqual({ user: USER, session_state: "a.b", toString: "x" });
    expect([Object.getPrototypeOf(members), members["constructor"]]).toEqual([null, undefined]);
  });

  test("reach onLogin if they are posted", async () => {
    const { browser, url, callback, seen } = await loginWith({ user: USER });
    const form = callback.searchParams;
    const posted = await browser.navigate(`${url}/callback`, { method: "POST", site: "cross-site", form });
    const finished = await browser.navigate(new URL(posted.headers.location ?? "", `${url}/callback`));
    expect([finished.headers.location, posted.headers.location?.includes("Amara")]).toEqual([
      "/account",
      false,
    ]);
    expect(seen.map((members) => ({ ...(members as object) }))).toEqual([{ user: USER }]);
  });

  test.each([
    ["members beside code and state have", { user: "密".repeat(2000) }],
    ["the response is too long", { user: "a".repeat(3000), code: "b".repeat(3500) }],
  ])(
    "are rejected if they are too long for a URL: %s",
    async (detail, { code, ...query }: Record<string, string>) => {
      const { browser, url, callback, log, asked } = await loginWith(query);
      if (code !== undefined) callback.searchParams.set("code", code);
      const form = callback.searchParams;
      const refused = await browser.navigate(`${url}/callback`, { method: "POST", site: "cross-site", form });
      expect([refused.status, refused.headers.location]).toEqual([400, undefined]);
      expect(log.at(-1)).toContain(detail);
      expect(asked("/oauth2/token")).toEqual([]);
    },
  );

  test("fit into nginx's default limit for a request line if they have the maximum length", async () => {
    const { browser, url, callback, seen } = await loginWith({ user: "a".repeat(4080) });
    const form = callback.searchParams;
    const posted = await browser.navigate(`${url}/callback`, { method: "POST", site: "cross-site", form });
    expect(`GET /callback${posted.headers.location} HTTP/1.1`.length).toBeLessThan(8192);
    const finished = await browser.navigate(new URL(posted.headers.location ?? "", `${url}/callback`));
    expect([finished.headers.location, seen.length]).toEqual(["/account", 1]);
  });
});

describe("response_mode=form_post", () => {
  const options = { authorizationParams: { response_mode: "form_post" } };

  /** Posts as the provider's own page does, without Lax cookies. */
  const post = (browser: Browser, url: string, form: Record<string, string>) =>
    browser.navigate(`${url}/callback`, { method: "POST", site: "cross-site", form });
  /** Returns the URL of the redirect to GET. */
  const goOn = (browser: Browser, url: string, { headers }: Answer) =>
    browser.navigate(new URL(headers.location ?? "", `${url}/callback`), { site: "cross-site" });

  test.each([4, 5] as const)(
    "the callback accepts a POST from the provider's page (Express %i)",
    async (express) => {
      const { browser, url, me } = await startWorld({ options, express });
      const answer = await browser.navigate(`${url}/login?returnTo=/account`);
      const { code, state } = await answerOf(browser, answer.headers.location ?? "");
      const posted = await post(browser, url, { code, state });
      expect([posted.status, posted.headers.location]).toEqual([
        303,
        expect.stringMatching(/^\?posted=[\w.-]+$/),
      ]);
      expect(posted.headers.location).not.toContain(code);
      expect(posted.headers["set-cookie"]).toBeUndefined();
      const finished = await goOn(browser, url, posted);
      expect([finished.status, finished.headers.location]).toEqual([303, "/account"]);
      expect((await me()).isAuthenticated).toBe(true);
    },
  );

  test.each([4, 5] as const)(
    "the callback accepts a POST whose body the app has already parsed (Express %i)",
    async (express) => {
      const { default: e } = await import("express");
      const { browser, url, me } = await startWorld({
        options,
        express,
        before: (app) => app.use(e.urlencoded({ extended: true })),
      });
      const answer = await browser.navigate(`${url}/login`);
      const { code, state } = await answerOf(browser, answer.headers.location ?? "");
      await goOn(browser, url, await post(browser, url, { code, state }));
      expect((await me()).isAuthenticated).toBe(true);
    },
  );

  test("the keys in keepSessionKeys are kept, because the GET has the session's Lax cookie", async () => {
    const { browser, url } = await startWorld({
      options: { ...options, keepSessionKeys: ["cart"] },
      after: (app) => {
        app.get("/test/fill", (req, res) => {
          Object.assign(req.session, { cart: ["lamp"] });
          res.end();
        });
        app.get("/test/cart", (req, res) => void res.json((req.session as { cart?: unknown }).cart ?? null));
      },
    });
    await browser.fetch(`${url}/test/fill`);
    const answer = await browser.navigate(`${url}/login`);
    const { code, state } = await answerOf(browser, answer.headers.location ?? "");
    await goOn(browser, url, await post(browser, url, { code, state }));
    expect((await browser.fetch(`${url}/test/cart`)).body).toBe('["lamp"]');
  });

  test("the callback redirects to GET below the path where the router is mounted", async () => {
    const { browser, url } = await startWorld({ options, mount: "/auth" });
    const answer = await browser.navigate(`${url}/auth/login?returnTo=/auth/account`);
    const { code, state } = await answerOf(browser, answer.headers.location ?? "");
    const posted = await post(browser, `${url}/auth`, { code, state });
    const finished = await goOn(browser, `${url}/auth`, posted);
    expect([finished.status, finished.headers.location]).toEqual([303, "/auth/account"]);
  });

  test.each([
    ["a forged response", "a.b.c"],
    ["an empty response", ""],
  ])("a query with %s is rejected", async (_name, posted) => {
    const { browser, url } = await startWorld({
      options,
      log: [/callback_invalid.*posted cannot be decrypted/],
    });
    const page = await browser.navigate(`${url}/callback?${new URLSearchParams({ posted })}`);
    expect([page.status, page.body.includes("callback_invalid")]).toEqual([400, true]);
  });

  test.each([true, false])(
    "a repeated parameter is rejected (body parsed by the app: %s)",
    async (parsed) => {
      const { default: e } = await import("express");
      const { browser, url } = await startWorld({
        options,
        ...(parsed && { before: (app) => app.use(e.urlencoded({ extended: true })) }),
        log: [/callback_invalid/],
      });
      const form = new URLSearchParams("code=a&code=b&state=c");
      const refused = await browser.navigate(`${url}/callback`, { method: "POST", form });
      expect(refused.body).toContain("callback_invalid");
    },
  );

  test.each<[string, RequestHandler]>([
    ["express.json(), which leaves an empty object on Express 4", express.json()],
    ["express.text() for everything", express.text({ type: "*/*" })],
    ["express.raw() for everything", express.raw({ type: "*/*" })],
    ["express.urlencoded()", express.urlencoded({ extended: false })],
  ])("the callback accepts a POST if the app uses %s", async (_name, parser) => {
    for (const version of [4, 5] as const) {
      const { browser, url, me } = await startWorld({
        options,
        express: version,
        before: (app) => app.use(parser),
      });
      const answer = await browser.navigate(`${url}/login`);
      const { code, state } = await answerOf(browser, answer.headers.location ?? "");
      await goOn(browser, url, await post(browser, url, { code, state }));
      expect((await me()).isAuthenticated, `Express ${version}`).toBe(true);
    }
  });

  test("a parameter that an extended parser has turned into an object is rejected with 400", async () => {
    const { browser, url } = await startWorld({
      options,
      before: (app) => app.use(express.urlencoded({ extended: true })),
      log: [/callback_invalid/],
    });
    const form = new URLSearchParams("state[toString]=x&code=y");
    expect((await browser.navigate(`${url}/callback`, { method: "POST", form })).status).toBe(400);
  });

  test("a form that ends early or never gets 400, and its connection is closed", async () => {
    const { url, log, browser } = await startWorld({ options, log: [/callback_invalid/] });
    const { port } = new URL(url);
    const head = "POST /callback HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    const early = connect(Number(port), "127.0.0.1");
    early.write(`${head}Content-Length: 100\r\n\r\nstate=`);
    early.end();
    await vi.waitFor(() => expect(log.join()).toContain("ended early"));
    const endless = connect(Number(port), "127.0.0.1");
    endless.write(`${head}Transfer-Encoding: chunked\r\n\r\n11170\r\n${"a".repeat(70_000)}\r\n`);
    const answer = Buffer.concat(await endless.toArray()).toString(); // ends when the server closes
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toMatch(/connection: close/i);
    expect((await browser.visit(`${url}/`)).body).toBe("home");
  });

  test.each([
    ["text/plain", "state=a&code=b", 400],
    ["application/json", '{"state":"a","code":"b"}', 400],
    ["application/x-www-form-urlencoded", `state=${"a".repeat(70_000)}`, 400],
  ])("a body of %s that is no form of at most 64 KiB is rejected", async (type, body, status) => {
    const { url } = await startWorld({ options, log: [/callback_invalid/] });
    const answer = await fetch(`${url}/callback`, {
      method: "POST",
      headers: { "content-type": type },
      body,
    });
    expect(answer.status).toBe(status);
    expect(await answer.json()).toMatchObject({ code: "callback_invalid" });
  });

  test("the parameters of the URL are ignored in a POST", async () => {
    const { browser, url, asked } = await startWorld({ options, log: [/callback_invalid/] });
    const answer = await browser.navigate(`${url}/login`);
    const { code, state } = await answerOf(browser, answer.headers.location ?? "");
    const mixed = await browser.navigate(`${url}/callback?code=${code}`, { method: "POST", form: { state } });
    expect([mixed.status, asked("/oauth2/token").length]).toEqual([400, 0]);
  });

  /** Returns the form of the provider's self-submitting page, read from it without running its script. */
  async function answerOf(browser: Browser, start: string): Promise<{ code: string; state: string }> {
    const url = new URL(start);
    url.searchParams.delete("response_mode");
    const callback = await browser.loginUntilCallback(url);
    return { code: callback.searchParams.get("code") ?? "", state: callback.searchParams.get("state") ?? "" };
  }
});
