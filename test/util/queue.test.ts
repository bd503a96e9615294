import { describe, expect, test } from "vitest";
import { createQueue, createSingleFlight } from "../../lib/util/queue.js";

/** Work that goes on until it is told to end; and what began and ended, in order. */
function createWorks() {
  const story: string[] = [];
  const endings = new Map<string, { resolve(value: string): void; reject(error: Error): void }>();
  return {
    story,
    work: (name: string) => () =>
      new Promise<string>((resolve, reject) => {
        story.push(`${name} begins`);
        endings.set(name, { resolve, reject });
      }).finally(() => story.push(`${name} ends`)),
    end: (name: string) => endings.get(name)?.resolve(`done by ${name}`),
    fail: (name: string) => endings.get(name)?.reject(new Error(`failed by ${name}`)),
  };
}

/** All that was to happen without anything from outside has happened. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe("in a queue", () => {
  test("work of one name waits for what came before, work of another does not", async () => {
    const { work, end, story } = createWorks();
    const inTurn = createQueue();
    const [first, second] = [inTurn("x", work("first")), inTurn("x", work("second"))];
    const other = inTurn("y", work("other"));
    await settled();
    expect(story).toEqual(["first begins", "other begins"]);
    end("other");
    end("first");
    expect([await other, await first]).toEqual(["done by other", "done by first"]);
    await settled();
    expect(story.slice(2)).toEqual(["other ends", "first ends", "second begins"]);
    end("second");
    expect(await second).toBe("done by second");
  });

  test("a failure is told to whom it belongs, and holds nobody up", async () => {
    const { work, end, fail } = createWorks();
    const inTurn = createQueue();
    const [first, second] = [inTurn("x", work("first")), inTurn("x", work("second"))];
    await settled();
    fail("first");
    await expect(first).rejects.toThrow("failed by first");
    await settled();
    end("second");
    expect(await second).toBe("done by second");
  });

  test("what comes when all is done begins anew", async () => {
    const inTurn = createQueue();
    for (const n of [1, 2, 3]) expect(await inTurn("x", async () => n)).toBe(n);
  });
});

describe("joined", () => {
  test("whoever comes while work is under way shares its outcome; it is done once", async () => {
    const { work, end, story } = createWorks();
    const join = createSingleFlight<string>();
    const all = [join("x", work("first")), join("x", work("second")), join("x", work("third"))];
    end("first");
    expect(await Promise.all(all)).toEqual(["done by first", "done by first", "done by first"]);
    expect(story).toEqual(["first begins", "first ends"]);
  });

  test("work of another name is done beside it", async () => {
    const { work, end } = createWorks();
    const join = createSingleFlight<string>();
    const [one, other] = [join("x", work("one")), join("y", work("other"))];
    end("other");
    expect(await other).toBe("done by other");
    end("one");
    expect(await one).toBe("done by one");
  });

  test.each(["end", "fail"] as const)("whoever comes after it (%s) has it done anew", async (how) => {
    const { work, end, fail, story } = createWorks();
    const join = createSingleFlight<string>();
    const first = join("x", work("first"));
    const shared = join("x", work("shared"));
    (how === "end" ? end : fail)("first");
    const outcomes = await Promise.allSettled([first, shared]);
    expect(new Set(outcomes.map(({ status }) => status))).toEqual(
      new Set([how === "end" ? "fulfilled" : "rejected"]),
    );
    const again = join("x", work("again"));
    end("again");
    expect(await again).toBe("done by again");
    expect(story).not.toContain("shared begins");
  });

  test("it can be waited for until all is done, whichever way it ends", async () => {
    const { work, end, fail } = createWorks();
    const join = createSingleFlight<string>();
    const outcomes = Promise.allSettled([join("x", work("first")), join("y", work("second"))]);
    let isSettled = false;
    const waited = join.waitForAll().then(() => {
      isSettled = true;
    });
    fail("first");
    await settled();
    expect(isSettled).toBe(false);
    end("second");
    await waited;
    await outcomes;
    await join.waitForAll(); // nothing is under way
  });
});
