import { createClient, RESP_TYPES } from "redis";
import { expect, onTestFinished, test } from "vitest";
import { type LoggedIn, logIn } from "../../access/signed-in-request.js";
import type { Browser } from "../../support/browser.js";
import { describeWithRedis } from "../../support/servers/describe.js";
import { keyOfSession } from "../records.js";

// A Redis with an LRU policy evicts the keys first that are used least: the lists of a user's logins.

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

    /** Fills the memory until Redis has evicted a key, which is made the coldest one. Other cold keys are next. */
    async function evict(key: string): Promise<void> {
      await client.set("other", "x".repeat(10_000));
      for (let n = 0; n < 50; n += 1) await cool("other", `other:cold:${n}`, 60_000, 1800);
      await cool(key, key, await client.pTTL(key), 3600);
      const used = Number(/used_memory:(\d+)/.exec(await client.info("memory"))?.[1]);
      await client.configSet("maxmemory", String(used + 50_000));
      for (let n = 0; (await client.exists(key)) === 1; n += 1)
        await client.set(`other:${n}`, "x".repeat(10_000));
      await client.configSet("maxmemory", "0");
      expect(await keysOf("s")).toHaveLength(2);
    }

    /** Writes what is under one key under another, as if it had not been used for so long. */
    async function cool(from: string, to: string, lifeMs: number, idleSeconds: number): Promise<void> {
      const value = await client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer }).dump(from);
      await client.restore(to, lifeMs, value as never, { REPLACE: true, IDLETIME: idleSeconds });
    }

    return { client, world, phone, keysOf, evict };
  }

  function everywhere({ inRequest, later }: LoggedIn) {
    later(1); // the clock of the test stands still
    return inRequest((req) => req.portal.logout({ everywhere: true }));
  }

  /** As if the session had not been used for a while: its idle end is due to move. */
  async function useAfterAWhile(given: Awaited<ReturnType<typeof start>>, browser: Browser) {
    const { client, world } = given;
    await client.pExpire(`portal:${await keyOfSession(browser, world.url)}`, 3_600_000);
    return (await world.me(browser)).isAuthenticated;
  }

  test("a logout everywhere also ends a device that the list has lost, when that is used", async () => {
    const given = await start();
    const { world, phone, keysOf, evict } = given;
    const [list = ""] = await keysOf("list:u");
    await evict(list);
    await everywhere(world);
    expect(await keysOf("s")).toHaveLength(1);
    expect(await useAfterAWhile(given, phone)).toBe(false);
    expect(await keysOf("s")).toEqual([]);
  });

  test("a device that is used is listed again, and a logout everywhere ends it at once", async () => {
    const given = await start();
    const { world, phone, keysOf, evict } = given;
    const [list = ""] = await keysOf("list:u");
    await evict(list);
    expect(await useAfterAWhile(given, phone)).toBe(true);
    await expect.poll(() => keysOf("list:u")).toEqual([list]);
    await everywhere(world);
    expect(await keysOf("s")).toEqual([]);
  });

  test("a device stays signed in if Redis evicts the notice of the logout as well: the guide requires noeviction", async () => {
    const given = await start();
    const { client, world, phone, keysOf, evict } = given;
    const [list = ""] = await keysOf("list:u");
    await evict(list);
    await everywhere(world);
    const [notice = ""] = await keysOf("n:u");
    await client.del(notice);
    expect(await useAfterAWhile(given, phone)).toBe(true);
  });
});
