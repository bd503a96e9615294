import type { Express } from "express";
import { expect, test } from "vitest";
import { portalErrors, portalProxy, requireAuth } from "../../lib/index.js";
import { json, type LoggedIn, logIn, TOKEN_SECONDS } from "../access/signed-in-request.js";
import type { Answer } from "../support/browser.js";
import type { WorldOptions } from "../support/world.js";

// Each case makes one thing fail. The log must hold one line about it, and every answer that reports it shows the id of
// that line.

interface Case {
  readonly name: string;
  readonly given?: Partial<WorldOptions>;
  /** Makes it fail. Gives the answers that report the failure. */
  act(world: LoggedIn): Promise<readonly Answer[]>;
}

const TOKEN_ENDPOINT = "/oauth2/token";

const down = json(503, { error: "temporarily_unavailable" });

function fail(message = "made to fail"): never {
  throw new Error(message);
}

/** The provider ends the code exchange of a login with this answer; so the callback fails. */
async function failedCallbacks(
  { browser, url, provider }: LoggedIn,
  times: number,
  answer = down,
): Promise<Answer[]> {
  const callback = await browser.loginUntilCallback(`${url}/login`);
  provider.answerNext(TOKEN_ENDPOINT, answer);
  return Promise.all(Array.from({ length: times }, () => browser.navigate(callback)));
}

/** Routes that use tokens, each in one way. */
function routes(app: Express): void {
  app.get(
    "/token",
    requireAuth(),
    async (req, res) => void res.json(await req.portal.accessToken().then(() => "ok")),
  );
  app.get("/fresh", requireAuth({ freshToken: true }), (_req, res) => void res.json("ok"));
  app.post("/leave", requireAuth(), (req) => req.portal.logout({ everywhere: true }));
  app.use(portalErrors());
}

const withRoutes: Partial<WorldOptions> = { after: routes };

/** The access token has ended, and the provider answers so when it is asked for another. */
const refreshes = (path: string, times: number, answer: Parameters<LoggedIn["provider"]["answerNext"]>[1]) =>
  async function act({ browser, url, provider, later }: LoggedIn): Promise<Answer[]> {
    later(TOKEN_SECONDS);
    provider.answerNext(TOKEN_ENDPOINT, answer);
    return Promise.all(Array.from({ length: times }, () => browser.fetch(url + path)));
  };

const hook = (hooks: NonNullable<WorldOptions["options"]>["hooks"]): Partial<WorldOptions> => ({
  options: { hooks },
});

/** From the second call on, as the first login of each case succeeds. */
function secondTime(): () => void {
  let calls = 0;
  return () => {
    calls += 1;
    if (calls > 1) fail();
  };
}

const CASES: readonly Case[] = [
  { name: "a code exchange that the provider fails", act: (world) => failedCallbacks(world, 1) },
  { name: "the same after a double click", act: (world) => failedCallbacks(world, 2) },
  {
    name: "a code that the provider refuses, after a double click",
    act: (world) => failedCallbacks(world, 2, json(400, { error: "invalid_grant" })),
  },
  {
    name: "a callback without a state",
    act: async ({ browser, url }) => [await browser.navigate(`${url}/callback?code=x`)],
  },
  {
    name: "a posted callback without parameters",
    act: async ({ browser, url }) => [
      await browser.navigate(`${url}/callback`, { method: "POST", form: {} }),
    ],
  },
  {
    name: "onLogin that throws, after a double click",
    given: hook({ onLogin: secondTime() }),
    act: async ({ browser, url }) => {
      const callback = await browser.loginUntilCallback(`${url}/login`);
      return Promise.all([browser.navigate(callback), browser.navigate(callback)]);
    },
  },
  {
    name: "a silent login that the provider fails",
    given: { portal: { document: "full" }, options: { profile: "openid", silentLogin: true } },
    async act({ browser, url, provider }) {
      await browser.jar.removeAllCookies();
      await browser.jar.setCookie("portal-silent=1; Path=/", url);
      const begun = await browser.navigate(`${url}/`);
      const back = new URL(`${url}/callback`);
      back.searchParams.set(
        "state",
        String(new URL(String(begun.headers.location)).searchParams.get("state")),
      );
      back.searchParams.set("iss", provider.issuer);
      back.searchParams.set("error", "server_error");
      const answer = await browser.navigate(back, { site: "cross-site" });
      expect([answer.status, answer.headers.location]).toEqual([303, "/"]);
      return [];
    },
  },
  {
    name: "a refresh that the provider fails",
    given: withRoutes,
    act: refreshes("/token", 1, down),
  },
  { name: "the same for a guard with freshToken", given: withRoutes, act: refreshes("/fresh", 1, down) },
  { name: "a refresh that five requests wait for", given: withRoutes, act: refreshes("/token", 5, down) },
  {
    name: "a refresh that fails in another way than by being down",
    given: withRoutes,
    act: refreshes("/token", 1, json(400, { error: "invalid_scope" })),
  },
  {
    name: "a refresh that the provider refuses for good",
    given: withRoutes,
    act: (world) => refreshes("/token", 1, json(400, { error: "invalid_grant" }))(world),
  },
  {
    name: "requests while the provider is left alone after a failed refresh",
    given: withRoutes,
    async act(world) {
      const [first] = await refreshes("/token", 1, down)(world);
      const next = await world.browser.fetch(`${world.url}/token`);
      expect([first?.status, next.status]).toEqual([503, 503]);
      return [first as Answer, next];
    },
  },
  {
    name: "onTokens that throws at a refresh",
    given: {
      ...withRoutes,
      ...hook({ onTokens: (_tokens, { grant }) => (grant === "refresh_token" ? fail() : undefined) }),
    },
    async act({ browser, url, later }) {
      later(TOKEN_SECONDS);
      return [await browser.fetch(`${url}/token`)];
    },
  },
  {
    name: "a session that the store cannot read",
    async act({ browser, url, store }) {
      store.fail();
      return [await browser.navigate(`${url}/account`)];
    },
  },
  {
    name: "a session that the store cannot save at the callback",
    async act({ browser, url, store }) {
      const callback = await browser.loginUntilCallback(`${url}/login`);
      store.fail("createEntry");
      return [await browser.navigate(callback)];
    },
  },
  {
    name: "a logout while the store is down",
    async act({ browser, url, store }) {
      store.fail("remove");
      return [await browser.navigate(`${url}/logout`, { site: "same-origin" })];
    },
  },
  {
    name: "a logout while the provider is down",
    async act({ browser, url, provider }) {
      provider.goDown();
      await browser.navigate(`${url}/logout`, { site: "same-origin" });
      return [];
    },
  },
  {
    name: "a logout whose revocation the provider fails",
    async act({ browser, url, provider }) {
      provider.answerNext("/oauth2/revoke", json(503, {}));
      await browser.navigate(`${url}/logout`, { site: "same-origin" });
      return [];
    },
  },
  {
    name: "a logout everywhere whose revocations the provider fails",
    given: withRoutes,
    async act(world) {
      const others = [await world.another(), await world.another()];
      expect(others).toHaveLength(2);
      world.provider.answerNext("/oauth2/revoke", json(503, {}), 3);
      await world.browser.navigate(`${world.url}/leave`, { method: "POST", site: "same-origin", form: {} });
      await expect.poll(() => world.asked("/oauth2/revoke")).toHaveLength(3);
      return [];
    },
  },
  {
    name: "onLogout that throws",
    given: hook({ onLogout: () => fail() }),
    async act({ browser, url }) {
      await browser.navigate(`${url}/logout`, { site: "same-origin" });
      return [];
    },
  },
  {
    name: "a forged logout token",
    given: { options: { backchannelLogout: true } },
    async act({ browser, url }) {
      await browser.request(`${url}/backchannel-logout`, { method: "POST", form: { logout_token: "a.b.c" } });
      return [];
    },
  },
  {
    name: "a front-channel logout without sid",
    given: { options: { frontchannelLogout: true } },
    act: async ({ browser, url }) => [await browser.navigate(`${url}/frontchannel-logout`)],
  },
  {
    name: "a logout from another site, by a program",
    act: async ({ browser, url }) => [
      await browser.fetch(`${url}/logout`, { method: "POST", site: "cross-site" }),
    ],
  },
  {
    name: "an upstream of portalProxy() that is down",
    given: { after: (app) => void app.use(portalProxy("/api", "http://127.0.0.1:1")) },
    act: async ({ browser, url }) => [await browser.fetch(`${url}/api/x`)],
  },
  {
    name: "a guard whose demand throws",
    given: {
      after: (app) =>
        void app.get(
          "/odd",
          requireAuth({ claims: { sub: () => fail() } }),
          (_req, res) => void res.send("in"),
        ),
    },
    act: async ({ browser, url }) => [await browser.navigate(`${url}/odd`)],
  },
];

const shownId = ({ body }: Answer): string | undefined =>
  /(?:request |"request_id":")([0-9a-f]{12})/.exec(body)?.[1];

test.each(CASES)("one line in the log: $name", async ({ given, act }) => {
  const world = await logIn({ ...given, log: [/./] });
  world.log.length = 0;
  const answers = await act(world);
  const lines = world.log.filter((line) => !line.includes("memory of this process"));
  expect(lines).toHaveLength(1);
  for (const answer of answers) expect(lines[0]).toContain(`request ${shownId(answer)}`);
});
