import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import type { Lock } from "../../lib/lock.js";
import { withLock } from "../../lib/session/lock.js";

const ID = "the-id-of-a-session-which-opens-it";

const failures: unknown[] = [];
const locked = (lock: Lock) => withLock(lock, (error) => failures.push(error));
beforeEach(() => {
  failures.length = 0;
});

describe("work", () => {
  test("is done while the lock is held, and its outcome is the outcome", async () => {
    const story: string[] = [];
    const lock: Lock = async (_name, work) => {
      story.push("locked");
      const outcome = await work();
      story.push("unlocked");
      return outcome;
    };
    const outcome = await locked(lock)(ID, async () => {
      story.push("work");
      return 42;
    });
    expect([outcome, story, failures]).toEqual([42, ["locked", "work", "unlocked"], []]);
  });

  test("that fails is told as its own failure, done once, and blamed on no lock", async () => {
    const work = vi.fn(async () => Promise.reject(new Error("the store is away")));
    await expect(locked((_name, run) => run())(ID, work)).rejects.toThrow("the store is away");
    expect(work).toHaveBeenCalledOnce();
    expect(failures).toEqual([]);
  });

  test("takes as long as it takes: only the wait for the lock has an end", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    onTestFinished(() => void vi.useRealTimers());
    let finish: (value: string) => void = () => {};
    const work = vi.fn(() => new Promise<string>((resolve) => (finish = resolve)));
    const outcome = locked((_name, run) => run())(ID, work);
    await vi.advanceTimersByTimeAsync(60_000);
    finish("done");
    expect(await outcome).toBe("done");
    expect(work).toHaveBeenCalledOnce();
    expect(failures).toEqual([]);
  });
});

describe("a lock that fails keeps nobody out:", () => {
  test.each<[string, Lock]>([
    ["at once", () => Promise.reject(new Error("no connection"))],
    [
      "by throwing",
      () => {
        throw new Error("no connection");
      },
    ],
  ])("%s, the work is done without it, and the failure told", async (_name, lock) => {
    const work = vi.fn(async () => 42);
    expect(await locked(lock)(ID, work)).toBe(42);
    expect(work).toHaveBeenCalledOnce();
    expect(failures).toEqual([new Error("no connection")]);
  });

  test("when it gives no answer for five seconds; the answer that comes later does nothing twice", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    onTestFinished(() => void vi.useRealTimers());
    let answer: () => Promise<unknown> = async () => {};
    const work = vi.fn(async () => 42);
    const silent: Lock = (_name, run) => new Promise((resolve) => (answer = async () => resolve(await run())));
    const outcome = locked(silent)(ID, work);
    await vi.advanceTimersByTimeAsync(4999);
    expect(work).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(await outcome).toBe(42);
    await answer();
    expect(work).toHaveBeenCalledOnce();
    expect(failures).toEqual([new Error("no answer within 5 s")]);
  });

  test("and the same session is not kept waiting for the next ten seconds then", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    onTestFinished(() => void vi.useRealTimers());
    const silent = vi.fn(() => new Promise<never>(() => {}));
    const work = vi.fn(async () => 42);
    const run = locked(silent);
    const first = run(ID, work);
    await vi.advanceTimersByTimeAsync(5000);
    expect(await first).toBe(42);
    await vi.advanceTimersByTimeAsync(9999);
    expect(await run(ID, work)).toBe(42);
    expect([silent.mock.calls.length, work.mock.calls.length]).toEqual([1, 2]);
    await vi.advanceTimersByTimeAsync(1);
    const last = run(ID, work);
    await vi.advanceTimersByTimeAsync(5000);
    expect(await last).toBe(42);
    expect(silent).toHaveBeenCalledTimes(2);
  });

  test("nor any other, when two of them have met with silence and none was locked between", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    onTestFinished(() => void vi.useRealTimers());
    let isSilent = true;
    const lock = vi.fn(<T>(_name: string, work: () => Promise<T>) =>
      isSilent ? new Promise<never>(() => {}) : work(),
    );
    const run = locked(lock as Lock);
    const work = async () => 42;
    const meet = async (id: string) => {
      isSilent = true;
      const done = run(id, work);
      await vi.advanceTimersByTimeAsync(5000);
      expect(await done).toBe(42);
    };
    const isAsked = async (id: string) => {
      isSilent = false;
      lock.mockClear();
      await run(id, work);
      return lock.mock.calls.length === 1;
    };
    await meet("of a process that was killed");
    expect(await isAsked("another")).toBe(true); // one name says nothing of the others
    await meet("a second");
    expect(await isAsked("another")).toBe(true);
    await meet("a third");
    await meet("a fourth");
    expect(await isAsked("another")).toBe(false);
  });

  test("when it never calls the work: that is done all the same, and the mistake told", async () => {
    const work = vi.fn(async () => 42);
    expect(await locked(async () => undefined as never)(ID, work)).toBe(42);
    expect(work).toHaveBeenCalledOnce();
    expect(failures).toEqual([new Error("it gave an answer without having called work")]);
  });

  test("when it does not hand on what the work gave", async () => {
    const lock: Lock = async (_name, run) => {
      await run();
      return undefined as never;
    };
    expect(await locked(lock)(ID, async () => 42)).toBe(42);
    expect(failures).toEqual([]);
  });

  test("when it is given back, the work was done, and is not done again", async () => {
    const work = vi.fn(async () => 42);
    const lock: Lock = async (_name, run) => {
      await run();
      throw new Error("it had expired");
    };
    expect(await locked(lock)(ID, work)).toBe(42);
    expect(work).toHaveBeenCalledOnce();
    expect(failures).toEqual([]);
  });

  test("and leaves no timer behind that would keep a process alive", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    onTestFinished(() => void vi.useRealTimers());
    await locked((_name, run) => run())(ID, async () => 1);
    expect(vi.getTimerCount()).toBe(0);
  });
});

test("the lock is named after the session, one name for one, and does not learn its id", async () => {
  const names: string[] = [];
  const lock: Lock = (name, work) => {
    names.push(name);
    return work();
  };
  for (const id of [ID, ID, "another"]) await locked(lock)(id, async () => {});
  expect(names[0]).toBe(names[1]);
  expect(names[0]).not.toBe(names[2]);
  expect(names[0]).toMatch(/^express-portal-auth:[\w-]{22}$/);
  expect(names.join()).not.toContain(ID);
});
