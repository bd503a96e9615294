import { createClient } from "redis";
import { describe, expect, onTestFinished, test } from "vitest";
import { logIn, SESSIONS } from "../../access/signed-in-request.js";
import { describeWithRedis } from "../../support/servers/describe.js";

describeWithRedis("while Redis is full and rejects writes (noeviction)", (redis) => {
  async function start(sessionKind: "app" | "ours") {
    const client = await createClient({ url: redis().url }).connect();
    onTestFinished(async () => {
      await client.configSet("maxmemory", "0");
      await client.flushAll();
      client.destroy();
    });
    const log = [/did not save the notice of a logout/, /session_store_failed/];
    const world = await logIn({
      session: sessionKind,
      provider: { document: "full" },
      options: { profile: "openid", store: client, backchannelLogout: true },
      log,
    });
    world.provider.register({ backchannelLogoutUri: `${world.url}/backchannel-logout` });
    const phone = await world.another();
    const logins = () => client.keys(sessionKind === "ours" ? "portal:s:*" : "portal:l:*");
    const fill = () => client.configSet({ "maxmemory-policy": "noeviction", maxmemory: "1" });
    return { world, phone, logins, fill };
  }

  describe.each(SESSIONS)("%s", (_name, sessionKind) => {
    test("signed-in users stay signed in, and sign out", async () => {
      const { world, phone, logins, fill } = await start(sessionKind);
      await fill();
      expect([(await world.me()).isAuthenticated, (await world.me(phone)).isAuthenticated]).toEqual([
        true,
        true,
      ]);
      expect((await world.browser.navigate(`${world.url}/logout`, { site: "same-origin" })).status).toBe(303);
      expect([await logins(), (await world.me()).isAuthenticated]).toEqual([[expect.any(String)], false]);
    });

    test("signed-in users sign out on all devices", async () => {
      const { world, phone, logins, fill } = await start(sessionKind);
      await fill();
      await world.inRequest((req) => req.portal.logout({ everywhere: true }));
      expect([await logins(), (await world.me(phone)).isAuthenticated]).toEqual([[], false]);
    });

    test("the provider signs users out", async () => {
      const { world, logins, fill } = await start(sessionKind);
      await fill();
      const response = await world.provider.sendLogoutToken(
        world.provider.logoutToken({ sub: "amara-okafor" }),
      );
      expect([response?.status, await logins()]).toEqual([200, []]);
    });
  });
});
