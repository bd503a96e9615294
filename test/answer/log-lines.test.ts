import type { Express } from "express";
import { expect, test } from "vitest";
import { portalErrors, portalProxy, requireAuth } from "../../lib/index.js";
import { json, type LoggedIn, logIn, TOKEN_SECONDS } from "../access/signed-in-request.js";
import type { Answer } from "../support/browser.js";
import type { WorldOptions } from "../support/world.js";

// Each case causes one failure. The log must contain one line about it. Every response that reports the
// failure must show the request id of that line.

interface Case {
  readonly name: string;
  readonly options?: Partial<WorldOptions>;
  /** Causes the failure. Returns the responses that report it. */
  fail(world: LoggedIn): Promise<readonly Answer[]>;
}

const TOKEN_ENDPOINT = "/oauth2/token";

const down = json(503, { error: "temporarily_unavailable" });

function throwError(message = "caused by the test"): never {
  throw new Error(message);
}

/**
 * The provider fails the code exchange of a login with this response. Returns the responses of the callback.
 */
async function failCallbacks(
  { browser, url, provider }: LoggedIn,
  times: number,
  answer = down,
): Promise<Answer[]> {
  const callback = await browser.loginUntilCallback(`${url}/login`);
  provider.answerNext(TOKEN_ENDPOINT, answer);
  return Promise.all(Array.from({ length: times }, () => browser.navigate(callback)));
}

/** Adds routes that use tokens in different ways. */
function addRoutes(app: Express): void {
  app.get(
    "/token",
    requireAuth(),
    async (req, res) => void res.json(await req.portal.accessToken().then(() => "ok")),
  );
  app.get("/fresh", requireAuth({ freshToken: true }), (_req, res) => void res.json("ok"));
  app.post("/leave", requireAuth(), (req) => req.portal.logout({ everywhere: true }));
  app.use(portalErrors());
}

const withRoutes: Partial<WorldOptions> = { after: addRoutes };

/** The access token has expired, and the provider sends this response to the refresh. */
const failRefresh = (
  path: string,
  times: number,
  answer: Parameters<LoggedIn["provider"]["answerNext"]>[1],
) =>
  async function causeFailure({ browser, url, provider, later }: LoggedIn): Promise<Answer[]> {
    later(TOKEN_SECONDS);
    provider.answerNext(TOKEN_ENDPOINT, answer);
    return Promise.all(Array.from({ length: times }, () => browser.fetch(url + path)));
  };

const withHooks = (hooks: NonNullable<WorldOptions["options"]>["hooks"]): Partial<WorldOptions> => ({
  options: { hooks },
});

/** Throws from the second call on, because the first login of each case succeeds. */
function throwOnSecondCall(): () => void {
  let calls = 0;
  return () => {
    calls += 1;
    if (calls > 1) throwError();
  };
}

const CASES: readonly Case[] = [
  { name: "a code exchange fails at the provider", fail: (world) => failCallbacks(world, 1) },
  { name: "a code exchange fails after a double click", fail: (world) => failCallbacks(world, 2) },
  {
    name: "the provider refuses a code after a double click",
    fail: (world) => failCallbacks(world, 2, json(400, { error: "invalid_grant" })),
  },
  {
    name: "a callback has no state",
    fail: async ({ browser, url }) => [await browser.navigate(`${url}/callback?code=x`)],
  },
  {
    name: "a posted callback has no parameters",
    fail: async ({ browser, url }) => [
      await browser.navigate(`${url}/callback`, { method: "POST", form: {} }),
    ],
  },
  {
    name: "onLogin throws after a double click",
    options: withHooks({ onLogin: throwOnSecondCall() }),
    fail: async ({ browser, url }) => {
      const callback = await browser.loginUntilCallback(`${url}/login`);
      return Promise.all([browser.navigate(callback), browser.navigate(callback)]);
    },
  },
  {
    name: "a silent login fails at the provider",
    options: { provider: { document: "full" }, options: { profile: "openid", silentLogin: true } },
    async fail({ browser, url, provider }) {
      await browser.jar.removeAllCookies();
      await browser.jar.setCookie("portal-silent=1; Path=/", url);
      const started = await browser.navigate(`${url}/`);
      const back = new URL(`${url}/callback`);
      back.searchParams.set(
        "state",
        String(new URL(String(started.headers.location)).searchParams.get("state")),
      );
      back.searchParams.set("iss", provider.issuer);
      back.searchParams.set("error", "server_error");
      const answer = await browser.navigate(back, { site: "cross-site" });
      expect([answer.status, answer.headers.location]).toEqual([303, "/"]);
      return [];
    },
  },
  {
    name: "a refresh fails at the provider",
    options: withRoutes,
    fail: failRefresh("/token", 1, down),
  },
  {
    name: "a refresh for a guard with freshToken fails at the provider",
    options: withRoutes,
    fail: failRefresh("/fresh", 1, down),
  },
  {
    name: "a refresh of five requests fails at the provider",
    options: withRoutes,
    fail: failRefresh("/token", 5, down),
  },
  {
    name: "a refresh fails with invalid_scope",
    options: withRoutes,
    fail: failRefresh("/token", 1, json(400, { error: "invalid_scope" })),
  },
  {
    name: "the provider refuses the refresh token",
    options: withRoutes,
    fail: (world) => failRefresh("/token", 1, json(400, { error: "invalid_grant" }))(world),
  },
  {
    name: "a request comes during the pause after a failed refresh",
    options: withRoutes,
    async fail(world) {
      const [first] = await failRefresh("/token", 1, down)(world);
      const next = await world.browser.fetch(`${world.url}/token`);
      expect([first?.status, next.status]).toEqual([503, 503]);
      return [first as Answer, next];
    },
  },
  {
    name: "onTokens throws at a refresh",
    options: {
      ...withRoutes,
      ...withHooks({
        onTokens: (_tokens, { grant }) => (grant === "refresh_token" ? throwError() : undefined),
      }),
    },
    async fail({ browser, url, later }) {
      later(TOKEN_SECONDS);
      return [await browser.fetch(`${url}/token`)];
    },
  },
  {
    name: "the store cannot read a session",
    async fail({ browser, url, store }) {
      store.fail();
      return [await browser.navigate(`${url}/account`)];
    },
  },
  {
    name: "the store cannot save the session of a callback",
    async fail({ browser, url, store }) {
      const callback = await browser.loginUntilCallback(`${url}/login`);
      store.fail("createEntry");
      return [await browser.navigate(callback)];
    },
  },
  {
    name: "the store is down at a logout",
    async fail({ browser, url, store }) {
      store.fail("remove");
      return [await browser.navigate(`${url}/logout`, { site: "same-origin" })];
    },
  },
  {
    name: "the provider is down at a logout",
    async fail({ browser, url, provider }) {
      provider.goDown();
      await browser.navigate(`${url}/logout`, { site: "same-origin" });
      return [];
    },
  },
  {
    name: "a revocation fails at a logout",
    async fail({ browser, url, provider }) {
      provider.answerNext("/oauth2/revoke", json(503, {}));
      await browser.navigate(`${url}/logout`, { site: "same-origin" });
      return [];
    },
  },
  {
    name: "all revocations fail at a logout on all devices",
    options: withRoutes,
    async fail(world) {
      const others = [await world.another(), await world.another()];
      expect(others).toHaveLength(2);
      world.provider.answerNext("/oauth2/revoke", json(503, {}), 3);
      await world.browser.navigate(`${world.url}/leave`, { method: "POST", site: "same-origin", form: {} });
      await expect.poll(() => world.asked("/oauth2/revoke")).toHaveLength(3);
      return [];
    },
  },
  {
    name: "onLogout throws",
    options: withHooks({ onLogout: () => throwError() }),
    async fail({ browser, url }) {
      await browser.navigate(`${url}/logout`, { site: "same-origin" });
      return [];
    },
  },
  {
    name: "a logout token is forged",
    options: { options: { backchannelLogout: true } },
    async fail({ browser, url }) {
      await browser.request(`${url}/backchannel-logout`, { method: "POST", form: { logout_token: "a.b.c" } });
      return [];
    },
  },
  {
    name: "a front-channel logout has no sid",
    options: { options: { frontchannelLogout: true } },
    fail: async ({ browser, url }) => [await browser.navigate(`${url}/frontchannel-logout`)],
  },
  {
    name: "a script of another site sends a logout",
    fail: async ({ browser, url }) => [
      await browser.fetch(`${url}/logout`, { method: "POST", site: "cross-site" }),
    ],
  },
  {
    name: "the upstream of portalProxy() is down",
    options: { after: (app) => void app.use(portalProxy("/api", "http://127.0.0.1:1")) },
    fail: async ({ browser, url }) => [await browser.fetch(`${url}/api/x`)],
  },
  {
    name: "a claim requirement of a guard throws",
    options: {
      after: (app) =>
        void app.get(
          "/odd",
          requireAuth({ claims: { sub: () => throwError() } }),
          (_req, res) => void res.send("in"),
        ),
    },
    fail: async ({ browser, url }) => [await browser.navigate(`${url}/odd`)],
  },
];

const findShownId = ({ body }: Answer): string | undefined =>
  /(?:request |"request_id":")([0-9a-f]{12})/.exec(body)?.[1];

test.each(CASES)("the log has one line if $name", async ({ options, fail }) => {
  const world = await logIn({ ...options, log: [/./] });
  world.log.length = 0;
  const responses = await fail(world);
  const lines = world.log.filter((line) => !line.includes("memory of this process"));
  expect(lines).toHaveLength(1);
  for (const response of responses) expect(lines[0]).toContain(`request ${findShownId(response)}`);
});
