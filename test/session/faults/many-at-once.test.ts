import { createClient } from "redis";
import { expect, onTestFinished, test } from "vitest";
import { createMemoryStore } from "../../../lib/store/memory-store.js";
import type { StoreInput } from "../../../lib/store/store-option.js";
import { logIn, SESSIONS } from "../../access/signed-in-request.js";
import { Browser } from "../../support/browser.js";
import { startFleet } from "../../support/fleet.js";
import { describeWithPostgres, describeWithRedis } from "../../support/servers/describe.js";
import { startWorld } from "../../support/world.js";
import { keysOfLogins, userListName } from "../records.js";

const LOGINS = 200;
/** The logins are prepared one after another, which takes seconds on a busy machine. */
const TIMEOUT_MS = 90_000;

/** Signs a user in with 200 callbacks at the same moment. */
async function logInConcurrently(store: StoreInput): Promise<{ statuses: number[]; listed: number }> {
  const world = await startWorld({
    options: { store },
    after: (app) =>
      app.get("/test/sessions", async (req, res) => {
        res.json(await req.portal.sessions());
      }),
  });
  const browsers = Array.from({ length: LOGINS }, () => new Browser());
  const callbacks: URL[] = [];
  for (const browser of browsers) callbacks.push(await browser.loginUntilCallback(`${world.url}/account`));
  const responses = await Promise.all(
    browsers.map((browser, index) => browser.navigate(callbacks[index] ?? world.url)),
  );
  const [first = world.browser] = browsers;
  const listed = JSON.parse((await first.fetch(`${world.url}/test/sessions`)).body);
  await world.auth.close();
  return { statuses: [...new Set(responses.map(({ status }) => status))], listed: listed.length };
}

describeWithRedis("on Redis", (redis) => {
  test("200 logins of one user at the same moment succeed, and all are listed", {
    timeout: TIMEOUT_MS,
  }, async () => {
    expect(await logInOnRedis(redis().url)).toEqual({ statuses: [303], listed: LOGINS });
  });

  test("only one of three processes accepts a logout token that they get at the same moment", async () => {
    const fleet = await startFleet(3, {
      provider: { document: "full" },
      options: { profile: "openid", store: redis().url, backchannelLogout: true },
    });
    await fleet.browser.visit(`${fleet.url}/account`);
    for (let round = 0; round < 10; round += 1) {
      const token = fleet.provider.logoutToken({ sub: "amara-okafor" });
      const form = { logout_token: token };
      const responses = await Promise.all(
        fleet.apps.map((app) =>
          new Browser().request(`${app.url}/backchannel-logout`, { method: "POST", form }),
        ),
      );
      expect(responses.map(({ status }) => status).sort()).toEqual([200, 400, 400]);
    }
    expect((await fleet.me(fleet.apps[0])).isAuthenticated).toBe(false);
  });

  async function logInOnRedis(url: string) {
    const client = await createClient({ url }).connect();
    onTestFinished(() => client.destroy());
    return logInConcurrently(client);
  }
});

describeWithPostgres("on PostgreSQL", (postgres) => {
  test("200 logins of one user at the same moment succeed, and all are listed", {
    timeout: TIMEOUT_MS,
  }, async () => {
    expect(await logInConcurrently(postgres().url)).toEqual({ statuses: [303], listed: LOGINS });
  });
});

test.each(SESSIONS)(
  "an application that often changes the session id signs out no other device (%s)",
  async (_name, sessionKind) => {
    const world = await logIn({
      session: sessionKind,
      after: (app) =>
        app.get("/test/new-id", async (req, res) => {
          await req.portal.regenerate();
          res.end();
        }),
    });
    const phone = await world.another();
    for (let count = 0; count < 100; count += 1) await world.browser.fetch(`${world.url}/test/new-id`);
    expect([(await world.me()).isAuthenticated, (await world.me(phone)).isAuthenticated]).toEqual([
      true,
      true,
    ]);
    expect(await keysOfLogins(world, world.store)).toHaveLength(2);
  },
);

test("the first session stays valid if the user has more than 2,000 sessions", async () => {
  const store = createMemoryStore();
  const world = await logIn({ options: { store } });
  const [key = ""] = await keysOfLogins(world, store);
  const { text = "" } = (await store.read(key)) ?? {};
  for (let index = 0; index < 2500; index += 1) {
    await store.createEntry(
      `s:other-${index}`,
      {},
      text.replace(/"session_id":"[^"]+"/, `"session_id":"other-${index}"`),
      60_000,
    );
    await store.index.add(userListName(world), `s:other-${index}`, 60_000);
  }
  await world.another();
  expect((await world.me()).isAuthenticated).toBe(true);
  expect(await keysOfLogins(world, store)).toHaveLength(2502);
  await world.inRequest((req) => req.portal.logout({ everywhere: true }));
  expect(await keysOfLogins(world, store)).toEqual([]);
});
