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

const ONE_PROCESS = /safe for one process only/;

/** An application with its own session in a store of its own, and a user who has signed in. */
async function start(
  store: Store,
  given: Parameters<typeof startWorld>[0] = {},
  options: object = {},
): Promise<World> {
  const world = await startWorld({
    ...given,
    before: mountExpressSession({ store, ...options }),
    after(app) {
      addSessionRoute(app);
      changeRoute("/test/note", setValue("note", "a secret note"))(app);
      given.after?.(app);
    },
  });
  await world.browser.visit(`${world.url}/account`);
  return world;
}

const isIn = async ({ url }: World, cookie: string) =>
  (await new Browser().fetch(`${url}/account`, { headers: { cookie } })).status === 200;

describe.each(Object.entries(foreignStores))("with a session in %s", (name, open) => {
  const log = name.toLowerCase().includes("memory") ? [] : [ONE_PROCESS];

  test.each([
    ["that store", undefined],
    ["a store of ours", createMemoryStore],
  ])("a user signs in, and out again, with the login in %s", async (_where, createStore) => {
    const { store, close } = await open();
    onTestFinished(async () => void (await close()));
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
    expect(await isIn(world, cookie)).toBe(false);
    await world.browser.visit(`${world.url}/account`);
    expect((await world.me()).isAuthenticated).toBe(true);
  });

  test("tokens are refreshed once, however many requests need them", async () => {
    const { store, close } = await open();
    onTestFinished(async () => void (await close()));
    const { clock, later } = createClock();
    const world = await start(store, {
      options: { clock },
      log,
      provider: { rotateRefreshTokens: true, accessTokenSeconds: 50 },
      after: (app) =>
        app.get("/test/token", async (req, res) => void res.send(await req.portal.accessToken())),
    });
    later(51); // before the idle end is due to move, which no answer waits for
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => world.browser.fetch(`${world.url}/test/token`)),
    );
    expect(new Set(answers.map(({ status, body }) => `${status} ${body}`)).size).toBe(1);
    expect(world.asked("/oauth2/token")).toHaveLength(2);
  });
});

describeWithRedis("with connect-redis", (redis) => {
  async function client() {
    const one = await createClient({ url: redis().url }).connect();
    onTestFinished(() => one.destroy());
    return one;
  }

  /** A session store as applications derive it: it encrypts what it writes, and keeps what it has read for a while. */
  class EncryptingStore extends RedisStore {
    readonly cached = new Map<string, SessionData>();
    override async set(id: string, data: SessionData, done?: (error?: unknown) => void) {
      const sealed = Buffer.from(JSON.stringify(data)).toString("base64");
      this.cached.set(id, JSON.parse(JSON.stringify(data)));
      await super.set(id, { cookie: data.cookie, sealed } as never, done);
    }
    override async get(id: string, done?: (error: unknown, data?: SessionData | null) => void) {
      const known = this.cached.get(id);
      if (known) return done?.(null, JSON.parse(JSON.stringify(known)));
      return super.get(id, (error: unknown, stored?: { sealed?: string } | null) => {
        done?.(error, stored?.sealed ? JSON.parse(Buffer.from(stored.sealed, "base64").toString()) : null);
      });
    }
  }

  test("a subclass that encrypts and caches is used as it is: nothing is written past it", async () => {
    const redisClient = await client();
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

  test("a logout at another process counts at once, although a subclass still has the session in its cache", async () => {
    const redisClient = await client();
    const prefix = "cached:";
    const one = await start(new EncryptingStore({ client: redisClient, prefix }), {
      options: { store: redisClient },
    });
    const cookie = await one.browser.jar.getCookieString(one.url);
    const other = await startWorld({
      before: mountExpressSession({ store: new EncryptingStore({ client: redisClient, prefix }) }),
      options: { issuer: one.provider.issuer, redirectUri: `${one.url}/callback`, store: redisClient },
    });
    expect(await isIn(other, cookie)).toBe(true); // and it has the session in its cache now
    await one.browser.navigate(`${one.url}/logout`, { site: "same-origin" });
    expect(await isIn(other, cookie)).toBe(false);
  });

  test("a fixed life (disableTouch) stays fixed, and a sliding one slides", async () => {
    const redisClient = await client();
    const lives: number[] = [];
    for (const disableTouch of [true, false]) {
      const prefix = `touch-${disableTouch}:`;
      const { clock, later } = createClock();
      const store = new RedisStore({ client: redisClient, prefix, disableTouch, ttl: 600 });
      const world = await start(store, { options: { clock, store: redisClient } });
      const [key = ""] = await redisClient.keys(`${prefix}*`);
      await redisClient.expire(key, 100);
      later(400);
      expect((await world.me()).isAuthenticated).toBe(true);
      lives.push(await redisClient.ttl(key));
    }
    expect(lives).toEqual([expect.closeTo(100, -1), expect.closeTo(600, -1)]);
  });

  test("a serializer of the application keeps what JSON cannot", async () => {
    const serializer = {
      stringify: (data: object) =>
        JSON.stringify(data, (_key, value) => (value instanceof Map ? { map: [...value] } : value)),
      parse: (text: string) =>
        JSON.parse(text, (_key, value) => (Array.isArray(value?.map) ? new Map(value.map) : value)),
    };
    const redisClient = await client();
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
  test("a fixed life (disableTouch) stays fixed, and a sliding one slides", async () => {
    const pool = new pg.Pool({ connectionString: postgres().url });
    onTestFinished(() => pool.end());
    const expiry = async () =>
      (await pool.query("select extract(epoch from expire) as s from session")).rows[0]?.s ?? 0;
    const moved: boolean[] = [];
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
      const before = await expiry();
      later(400);
      expect((await world.me()).isAuthenticated).toBe(true);
      moved.push(Number(await expiry()) > Number(before) + 50);
      await pool.query("delete from session");
    }
    expect(moved).toEqual([false, true]);
  });
});
