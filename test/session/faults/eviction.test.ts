import { createClient, RESP_TYPES } from "redis";
import { expect, onTestFinished, test } from "vitest";
import { type LoggedIn, logIn } from "../../access/signed-in-request.js";
import type { Browser } from "../../support/browser.js";
import { describeWithRedis } from "../../support/servers/describe.js";
import { keyOfSession } from "../records.js";

// A Redis with an LRU policy evicts the least recently used keys first: the lists of users' logins.

describeWithRedis("on a Redis with the policy allkeys-lru", (redis) => {
  async function start() {
    const client = await createClient({ url: redis().url }).connect();
    onTestFinished(async () => {
      await client.configSet("maxmemory", "0");
      await client.flushAll();
      client.destroy();
    });
    await client.configSet({ "maxmemory-policy": "allkeys-lru", "maxmemory-samples": "64" });
    const world = await logIn({ options: { store: client } });
    const phone = await world.another();
    const keysOf = (kind: string) => client.keys(`portal:${kind}:*`);

    /** Makes a key the least recently used one, and fills the memory until Redis has evicted it. */
    async function evict(key: string): Promise<void> {
      await client.set("other", "x".repeat(10_000));
      for (let count = 0; count < 50; count += 1)
        await copyAsUnused("other", `other:unused:${count}`, 60_000, 1800);
      await copyAsUnused(key, key, await client.pTTL(key), 3600);
      const used = Number(/used_memory:(\d+)/.exec(await client.info("memory"))?.[1]);
      await client.configSet("maxmemory", String(used + 50_000));
      for (let count = 0; (await client.exists(key)) === 1; count += 1)
        await client.set(`other:${count}`, "x".repeat(10_000));
      await client.configSet("maxmemory", "0");
      expect(await keysOf("s")).toHaveLength(2);
    }

    /** Copies a value to a key that Redis regards as unused for this time. */
    async function copyAsUnused(
      from: string,
      to: string,
      lifeMs: number,
      idleSeconds: number,
    ): Promise<void> {
      const value = await client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer }).dump(from);
      await client.restore(to, lifeMs, value as never, { REPLACE: true, IDLETIME: idleSeconds });
    }

    return { client, world, phone, keysOf, evict };
  }

  function logOutEverywhere({ inRequest, later }: LoggedIn) {
    // The logout must be later than the logins, and the clock of the test stands still.
    later(1);
    return inRequest((req) => req.portal.logout({ everywhere: true }));
  }

  /** Uses a session as if it was not used for a while, so that its idle time is extended. */
  async function useAfterAWhile({ client, world }: Awaited<ReturnType<typeof start>>, browser: Browser) {
    await client.pExpire(`portal:${await keyOfSession(browser, world.url)}`, 3_600_000);
    return (await world.me(browser)).isAuthenticated;
  }

  test("a logout on all devices ends a session at its next use, if its list was evicted", async () => {
    const setup = await start();
    const { world, phone, keysOf, evict } = setup;
    const [list = ""] = await keysOf("list:u");
    await evict(list);
    await logOutEverywhere(world);
    expect(await keysOf("s")).toHaveLength(1);
    expect(await useAfterAWhile(setup, phone)).toBe(false);
    expect(await keysOf("s")).toEqual([]);
  });

  test("a session that is used is listed again, and a logout on all devices ends it at once", async () => {
    const setup = await start();
    const { world, phone, keysOf, evict } = setup;
    const [list = ""] = await keysOf("list:u");
    await evict(list);
    expect(await useAfterAWhile(setup, phone)).toBe(true);
    await expect.poll(() => keysOf("list:u")).toEqual([list]);
    await logOutEverywhere(world);
    expect(await keysOf("s")).toEqual([]);
  });

  // Therefore the guide requires the policy noeviction.
  test("a session stays valid if Redis also evicts the notice of the logout", async () => {
    const setup = await start();
    const { client, world, phone, keysOf, evict } = setup;
    const [list = ""] = await keysOf("list:u");
    await evict(list);
    await logOutEverywhere(world);
    const [notice = ""] = await keysOf("n:u");
    await client.del(notice);
    expect(await useAfterAWhile(setup, phone)).toBe(true);
  });
});
