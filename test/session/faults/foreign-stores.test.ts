import connectPgSimple from "connect-pg-simple";
import { RedisStore } from "connect-redis";
import session, { type SessionData, type Store } from "express-session";
import pg from "pg";
import { createClient } from "redis";
import { describe, expect, onTestFinished, test } from "vitest";
import { createMemoryStore } from "../../../lib/store/memory-store.js";
import { Browser } from "../../support/browser.js";
import { createClock } from "../../support/clock.js";
import { foreignStores } from "../../support/foreign-stores.js";
import { describeWithPostgres, describeWithRedis } from "../../support/servers/describe.js";
import { startWorld, type World } from "../../support/world.js";
import { addSessionRoute, changeRoute, fetchSession, mountExpressSession, setValue } from "../slow-route.js";

const ONE_PROCESS_WARNING = /safe for one process only/;

/** Starts an application with its own session in this store, and signs a user in. */
async function start(
  store: Store,
  worldOptions: Parameters<typeof startWorld>[0] = {},
  sessionOptions: object = {},
): Promise<World> {
  const world = await startWorld({
    ...worldOptions,
    before: mountExpressSession({ store, ...sessionOptions }),
    after(app) {
      addSessionRoute(app);
      changeRoute("/test/note", setValue("note", "a secret note"))(app);
      worldOptions.after?.(app);
    },
  });
  await world.browser.visit(`${world.url}/account`);
  return world;
}

const isSignedIn = async ({ url }: World, cookie: string) =>
  (await new Browser().fetch(`${url}/account`, { headers: { cookie } })).status === 200;

describe.each(Object.entries(foreignStores))("with a session in %s", (name, open) => {
  const log = name.toLowerCase().includes("memory") ? [] : [ONE_PROCESS_WARNING];

  test.each([
    ["that store", undefined],
    ["our store", createMemoryStore],
  ])("a user signs in and out, with the login in %s", async (_place, createStore) => {
    const { store, close } = await open();
    onTestFinished(async () => {
      await close();
    });
    const world = await start(store, {
      options: createStore ? { store: createStore() } : {},
      log: createStore ? [] : log,
      provider: { rotateRefreshTokens: true },
    });
    expect((await world.me()).claims?.["sub"]).toBe("amara-okafor");
    await world.browser.fetch(`${world.url}/test/note`);
    expect(await fetchSession(world)).toMatchObject({ note: "a secret note", portal: { version: 1 } });
    const cookie = await world.browser.jar.getCookieString(world.url);
    expect((await world.browser.navigate(`${world.url}/logout`, { site: "same-origin" })).status).toBe(303);
    expect(await isSignedIn(world, cookie)).toBe(false);
    await world.browser.visit(`${world.url}/account`);
    expect((await world.me()).isAuthenticated).toBe(true);
  });

  test("concurrent requests that need new tokens cause one refresh", async () => {
    const { store, close } = await open();
    onTestFinished(async () => {
      await close();
    });
    const { clock, later } = createClock();
    const world = await start(store, {
      options: { clock },
      log,
      provider: { rotateRefreshTokens: true, accessTokenSeconds: 50 },
      after: (app) =>
        app.get("/test/token", async (req, res) => {
          res.send(await req.portal.accessToken());
        }),
    });
    // This is too early for an extension of the idle time, because no response waits for that.
    later(51);
    const responses = await Promise.all(
      Array.from({ length: 10 }, () => world.browser.fetch(`${world.url}/test/token`)),
    );
    expect(new Set(responses.map(({ status, body }) => `${status} ${body}`)).size).toBe(1);
    expect(world.asked("/oauth2/token")).toHaveLength(2);
  });
});

describeWithRedis("with connect-redis", (redis) => {
  async function connect() {
    const client = await createClient({ url: redis().url }).connect();
    onTestFinished(() => client.destroy());
    return client;
  }

  /** A store as some applications derive it: it encrypts the sessions (here: encodes) and caches them. */
  class EncryptingStore extends RedisStore {
    readonly cached = new Map<string, SessionData>();
    override async set(id: string, data: SessionData, done?: (error?: unknown) => void) {
      const encoded = Buffer.from(JSON.stringify(data)).toString("base64");
      this.cached.set(id, JSON.parse(JSON.stringify(data)));
      await super.set(id, { cookie: data.cookie, encoded } as never, done);
    }
    override async get(id: string, done?: (error: unknown, data?: SessionData | null) => void) {
      const cached = this.cached.get(id);
      if (cached) return done?.(null, JSON.parse(JSON.stringify(cached)));
      return super.get(id, (error: unknown, stored?: { encoded?: string } | null) => {
        done?.(error, stored?.encoded ? JSON.parse(Buffer.from(stored.encoded, "base64").toString()) : null);
      });
    }
  }

  test("a subclass that encrypts and caches is used for every write of a session", async () => {
    const redisClient = await connect();
    const prefix = "encrypted:";
    const world = await start(new EncryptingStore({ client: redisClient, prefix }), {
      options: { store: redisClient },
    });
    await world.browser.fetch(`${world.url}/test/note`);
    expect(await fetchSession(world)).toMatchObject({ note: "a secret note" });
    const texts = await Promise.all(
      (await redisClient.keys(`${prefix}*`)).map((key) => redisClient.get(key)),
    );
    expect(texts).toHaveLength(1);
    expect(texts.join()).not.toContain("a secret note");
  });

  test("a logout at another process also ends a session that a subclass has cached", async () => {
    const redisClient = await connect();
    const prefix = "cached:";
    const first = await start(new EncryptingStore({ client: redisClient, prefix }), {
      options: { store: redisClient },
    });
    const cookie = await first.browser.jar.getCookieString(first.url);
    const second = await startWorld({
      before: mountExpressSession({ store: new EncryptingStore({ client: redisClient, prefix }) }),
      options: { issuer: first.provider.issuer, redirectUri: `${first.url}/callback`, store: redisClient },
    });
    // This request makes the second process cache the session.
    expect(await isSignedIn(second, cookie)).toBe(true);
    await first.browser.navigate(`${first.url}/logout`, { site: "same-origin" });
    expect(await isSignedIn(second, cookie)).toBe(false);
  });

  test("disableTouch keeps the lifetime fixed, otherwise requests extend it", async () => {
    const redisClient = await connect();
    const lifetimes: number[] = [];
    for (const disableTouch of [true, false]) {
      const prefix = `touch-${disableTouch}:`;
      const { clock, later } = createClock();
      const store = new RedisStore({ client: redisClient, prefix, disableTouch, ttl: 600 });
      const world = await start(store, { options: { clock, store: redisClient } });
      const [key = ""] = await redisClient.keys(`${prefix}*`);
      await redisClient.expire(key, 100);
      later(400);
      expect((await world.me()).isAuthenticated).toBe(true);
      lifetimes.push(await redisClient.ttl(key));
    }
    expect(lifetimes).toEqual([expect.closeTo(100, -1), expect.closeTo(600, -1)]);
  });

  test("a serializer of the application can store values that JSON cannot", async () => {
    const serializer = {
      stringify: (data: object) =>
        JSON.stringify(data, (_key, value) => (value instanceof Map ? { map: [...value] } : value)),
      parse: (text: string) =>
        JSON.parse(text, (_key, value) => (Array.isArray(value?.map) ? new Map(value.map) : value)),
    };
    const redisClient = await connect();
    const store = new RedisStore({ client: redisClient, prefix: "maps:", serializer });
    const world = await start(store, {
      options: { store: redisClient },
      after: (app) =>
        app.get("/test/map", (req, res) => {
          const visits: Map<string, number> = Object(req.session).visits ?? new Map();
          Object.assign(req.session, {
            visits: visits.set("page", (visits.get("page") ?? 0) + 1),
            note: String(visits.get("page")),
          });
          res.json([...visits]);
        }),
    });
    for (const count of [1, 2, 3])
      expect(JSON.parse((await world.browser.fetch(`${world.url}/test/map`)).body)).toEqual([
        ["page", count],
      ]);
  });
});

describeWithPostgres("with connect-pg-simple", (postgres) => {
  test("disableTouch keeps the lifetime fixed, otherwise requests extend it", async () => {
    const pool = new pg.Pool({ connectionString: postgres().url });
    onTestFinished(() => pool.end());
    const readExpiry = async () =>
      (await pool.query("select extract(epoch from expire) as s from session")).rows[0]?.s ?? 0;
    const isExtended: boolean[] = [];
    for (const disableTouch of [true, false]) {
      const PgStore = connectPgSimple(session);
      const store = new PgStore({
        pool,
        createTableIfMissing: true,
        disableTouch,
        pruneSessionInterval: false,
      });
      const { clock, later } = createClock();
      const world = await start(store, { options: { clock, store: pool } }, { cookie: { maxAge: 600_000 } });
      await pool.query("update session set expire = expire - interval '100 seconds'");
      const before = await readExpiry();
      later(400);
      expect((await world.me()).isAuthenticated).toBe(true);
      isExtended.push(Number(await readExpiry()) > Number(before) + 50);
      await pool.query("delete from session");
    }
    expect(isExtended).toEqual([false, true]);
  });
});
