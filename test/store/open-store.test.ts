import { Redis } from "ioredis";
import { createClient } from "redis";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { openStore } from "../../lib/store/open-store.js";
import { describeWithRedis } from "../support/servers/describe.js";

const HOUR_MS = 3_600_000;
const PASSWORD = "hunter2";
const warn = () => {};

/** Packages that are not found. */
const missingPackages = vi.hoisted(() => new Set<string>());
vi.mock("node:module", async (original) => {
  const real = await original<typeof import("node:module")>();
  return {
    ...real,
    createRequire: (from: string) => (name: string) =>
      real.createRequire(from)(missingPackages.has(name) ? `${name}-that-is-not-installed` : name),
  };
});

describe("a package of a store", () => {
  test.each([
    ["redis", "redis"],
    ["rediss", "redis"],
    ["postgres", "pg"],
    ["postgresql", "pg"],
  ])("for %s: is reported with its install command if it is missing", (scheme, name) => {
    missingPackages.add(name);
    onTestFinished(() => missingPackages.clear());
    const open = () => openStore(`${scheme}://user:${PASSWORD}@127.0.0.1:1/0`, { warn });
    expect(open).toThrow(expect.objectContaining({ code: "options_invalid" }));
    expect(open).toThrow("SESSION_STORE_URL (option store) needs a package that is not installed");
    expect(open).toThrow(new RegExp(`npm install ${name}$`));
    expect(open).not.toThrow(PASSWORD);
  });

  test("throws its own error if it is broken", () => {
    const broken = new Error("a syntax error");
    const load = () => {
      throw broken;
    };
    expect(() => openStore("redis://127.0.0.1", { warn, load })).toThrow(broken);
  });

  test("is not loaded for a client that the application has created", () => {
    const load = vi.fn();
    const client = createClient();
    expect(openStore(client, { warn, load }).store).toBeDefined();
    expect(load).not.toHaveBeenCalled();
  });
});

describeWithRedis("a Redis server", (redis) => {
  test("is opened with a URL or with a client of each package, and all read the same records", async () => {
    const nodeRedis = await createClient({ url: redis().url }).connect();
    const ioRedis = new Redis(redis().url);
    const byUrl = openStore(redis().url, { warn });
    onTestFinished(async () => {
      nodeRedis.destroy();
      ioRedis.disconnect();
      await byUrl.close();
    });
    await byUrl.opened;
    await byUrl.store.createEntry("s:shared", { a: "1" }, "login", HOUR_MS);
    for (const client of [nodeRedis, ioRedis]) {
      const { store, close } = openStore(client, { warn });
      expect(await store.readEntry("s:shared")).toMatchObject({ app: { a: "1" }, record: { text: "login" } });
      await close();
      // The application closes its own client.
      expect(await store.read("s:shared")).toMatchObject({ text: "login" });
    }
  });
});
