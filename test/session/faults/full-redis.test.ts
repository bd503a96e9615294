import { createClient } from "redis";
import { describe, expect, onTestFinished, test } from "vitest";
import { logIn, SESSIONS } from "../../access/signed-in-request.js";
import { describeWithRedis } from "../../support/servers/describe.js";

describeWithRedis("while Redis is full and takes no write (noeviction)", (redis) => {
  async function start(whose: "app" | "ours") {
    const client = await createClient({ url: redis().url }).connect();
    onTestFinished(async () => {
      await client.configSet("maxmemory", "0");
      await client.flushAll();
      client.destroy();
    });
    const log = [/did not save the notice of a logout/, /session_store_failed/];
    const world = await logIn({
      session: whose,
      provider: { document: "full" },
      options: { profile: "openid", store: client, backchannelLogout: true },
      log,
    });
    world.provider.register({ backchannelLogoutUri: `${world.url}/backchannel-logout` });
    const phone = await world.another();
    const logins = () => client.keys(whose === "ours" ? "portal:s:*" : "portal:l:*");
    const fill = () => client.configSet({ "maxmemory-policy": "noeviction", maxmemory: "1" });
    return { world, phone, logins, fill };
  }

  describe.each(SESSIONS)("%s", (_name, whose) => {
    test("signed-in users stay signed in, and sign out", async () => {
      const { world, phone, logins, fill } = await start(whose);
      await fill();
      expect([(await world.me()).isAuthenticated, (await world.me(phone)).isAuthenticated]).toEqual([
        true,
        true,
      ]);
      expect((await world.browser.navigate(`${world.url}/logout`, { site: "same-origin" })).status).toBe(303);
      expect([await logins(), (await world.me()).isAuthenticated]).toEqual([[expect.any(String)], false]);
    });

    test("they sign out everywhere", async () => {
      const { world, phone, logins, fill } = await start(whose);
      await fill();
      await world.inRequest((req) => req.portal.logout({ everywhere: true }));
      expect([await logins(), (await world.me(phone)).isAuthenticated]).toEqual([[], false]);
    });

    test("the provider signs them out", async () => {
      const { world, logins, fill } = await start(whose);
      await fill();
      const answer = await world.provider.sendLogoutToken(
        world.provider.logoutToken({ sub: "amara-okafor" }),
      );
      expect([answer?.status, await logins()]).toEqual([200, []]);
    });
  });
});
