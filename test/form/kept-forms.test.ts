import { expect, test } from "vitest";
import { type Arrival, FORM_LIFE_MS, KeptForms } from "../../lib/form/kept-forms.js";
import { createMemoryStore } from "../../lib/store/memory-store.js";
import { createClock } from "../support/clock.js";

const POSTED = { to: "/orders", length: 10 };

function start() {
  const { clock, later } = createClock();
  const records = createMemoryStore(clock);
  return { forms: new KeptForms(records), records, later };
}

async function arriveOften(forms: KeptForms, times: number): Promise<Arrival[]> {
  const arrivals: Arrival[] = [];
  for (let n = 0; n < times; n += 1) arrivals.push(await forms.arrive("id", POSTED));
  return arrivals;
}

test("a form is let in the first time that a browser comes with it, and not when it comes once more", async () => {
  const { forms } = start();
  await forms.keep("id", POSTED, "sealed");
  expect(await forms.arrive("id", POSTED)).toBe("other"); // filled in anew: no browser was redirected
  for (const _ of [1, 2, 3]) expect(await forms.release("id")).toBe("sealed");
  expect(await arriveOften(forms, 4)).toEqual(["first", "again", "again", "other"]);
  expect([await forms.look("id"), await forms.release("id")]).toEqual([undefined, undefined]);
});

test("of twenty browsers that arrive at the same moment one is the first", async () => {
  const { forms } = start();
  await forms.keep("id", POSTED, "sealed");
  for (let n = 0; n < 20; n += 1) await forms.release("id");
  const arrivals = await Promise.all(Array.from({ length: 20 }, () => forms.arrive("id", POSTED)));
  expect(arrivals.sort()).toEqual([...Array(19).fill("again"), "first"]);
});

test.each([
  ["another address", { ...POSTED, to: "/orders/1" }],
  ["another length", { ...POSTED, length: 11 }],
  ["no length", { ...POSTED, length: Number.NaN }],
])("a form with %s is another one", async (_what, posted) => {
  const { forms } = start();
  await forms.keep("id", POSTED, "sealed");
  await forms.release("id");
  expect([await forms.arrive("id", posted), await forms.arrive("id", POSTED)]).toEqual(["other", "first"]);
});

test("a browser that was redirected is waited for during a minute after the first arrival", async () => {
  const { forms, later } = start();
  await forms.keep("id", POSTED, "sealed");
  for (const _ of [1, 2]) await forms.release("id");
  expect(await forms.arrive("id", POSTED)).toBe("first");
  later(60);
  expect(await forms.arrive("id", POSTED)).toBe("gone");
});

test("a form is kept for ten minutes after it was last looked at", async () => {
  const { forms, later } = start();
  await forms.keep("id", POSTED, "sealed");
  later(FORM_LIFE_MS / 1000 - 1);
  expect(await forms.look("id")).toBe("sealed");
  later(FORM_LIFE_MS / 1000 - 1);
  expect(await forms.look("id")).toBe("sealed");
  later(FORM_LIFE_MS / 1000);
  expect(await forms.look("id")).toBeUndefined();
});

test("a form that is dropped at the moment of its arrival is gone", async () => {
  const { forms, records } = start();
  await forms.keep("id", POSTED, "sealed");
  await forms.release("id");
  const replace = records.replace.bind(records);
  records.replace = async (...given) => {
    await forms.drop("id");
    return replace(...given);
  };
  expect(await forms.arrive("id", POSTED)).toBe("gone");
});

test("a form that was never kept is gone", async () => {
  const { forms } = start();
  expect([await forms.look("id"), await forms.release("id"), await forms.arrive("id", POSTED)]).toEqual([
    undefined,
    undefined,
    "gone",
  ]);
});

test.each(["", "null", "{}", '{"posted":1}', "nonsense"])(
  "a form that others have replaced by %j is gone",
  async (text) => {
    const { forms, records } = start();
    await forms.keep("id", POSTED, "sealed");
    const keys: string[] = [];
    const read = records.read.bind(records);
    records.read = (name) => {
      keys.push(name);
      return read(name);
    };
    await forms.look("id");
    const [itsKey = ""] = keys;
    await records.replace(itsKey, 2, text);
    expect([await forms.look("id"), await forms.arrive("id", POSTED)]).toEqual([undefined, "gone"]);
  },
);
