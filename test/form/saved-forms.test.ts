import { expect, test } from "vitest";
import { type Arrival, FORM_LIFE_MS, SavedForms } from "../../lib/form/saved-forms.js";
import { createMemoryStore } from "../../lib/store/memory-store.js";
import { createClock } from "../support/clock.js";

const POSTED = { to: "/orders", length: 10 };

function start() {
  const { clock, later } = createClock();
  const records = createMemoryStore(clock);
  return { forms: new SavedForms(records), records, later };
}

async function arriveOften(forms: SavedForms, times: number): Promise<Arrival[]> {
  const arrivals: Arrival[] = [];
  for (let n = 0; n < times; n += 1) arrivals.push(await forms.recordArrival("id", POSTED));
  return arrivals;
}

test("a form is let in the first time that a browser comes with it, and not when it comes once more", async () => {
  const { forms } = start();
  await forms.save("id", POSTED, "sealed");
  expect(await forms.recordArrival("id", POSTED)).toBe("other"); // filled in anew: no browser was redirected
  for (const _ of [1, 2, 3]) expect(await forms.loadForRedirect("id")).toBe("sealed");
  expect(await arriveOften(forms, 4)).toEqual(["first", "again", "again", "other"]);
  expect([await forms.load("id"), await forms.loadForRedirect("id")]).toEqual([undefined, undefined]);
});

test("of twenty browsers that arrive at the same moment one is the first", async () => {
  const { forms } = start();
  await forms.save("id", POSTED, "sealed");
  for (let n = 0; n < 20; n += 1) await forms.loadForRedirect("id");
  const arrivals = await Promise.all(Array.from({ length: 20 }, () => forms.recordArrival("id", POSTED)));
  expect(arrivals.sort()).toEqual([...Array(19).fill("again"), "first"]);
});

test.each([
  ["another address", { ...POSTED, to: "/orders/1" }],
  ["another length", { ...POSTED, length: 11 }],
  ["no length", { ...POSTED, length: Number.NaN }],
])("a form with %s is another one", async (_what, posted) => {
  const { forms } = start();
  await forms.save("id", POSTED, "sealed");
  await forms.loadForRedirect("id");
  expect([await forms.recordArrival("id", posted), await forms.recordArrival("id", POSTED)]).toEqual([
    "other",
    "first",
  ]);
});

test("a browser that was redirected is waited for during a minute after the first arrival", async () => {
  const { forms, later } = start();
  await forms.save("id", POSTED, "sealed");
  for (const _ of [1, 2]) await forms.loadForRedirect("id");
  expect(await forms.recordArrival("id", POSTED)).toBe("first");
  later(60);
  expect(await forms.recordArrival("id", POSTED)).toBe("gone");
});

test("a form is kept for ten minutes after it was last looked at", async () => {
  const { forms, later } = start();
  await forms.save("id", POSTED, "sealed");
  later(FORM_LIFE_MS / 1000 - 1);
  expect(await forms.load("id")).toBe("sealed");
  later(FORM_LIFE_MS / 1000 - 1);
  expect(await forms.load("id")).toBe("sealed");
  later(FORM_LIFE_MS / 1000);
  expect(await forms.load("id")).toBeUndefined();
});

test("a form that is dropped at the moment of its arrival is gone", async () => {
  const { forms, records } = start();
  await forms.save("id", POSTED, "sealed");
  await forms.loadForRedirect("id");
  const replace = records.replace.bind(records);
  records.replace = async (...given) => {
    await forms.remove("id");
    return replace(...given);
  };
  expect(await forms.recordArrival("id", POSTED)).toBe("gone");
});

test("a form that was never kept is gone", async () => {
  const { forms } = start();
  expect([
    await forms.load("id"),
    await forms.loadForRedirect("id"),
    await forms.recordArrival("id", POSTED),
  ]).toEqual([undefined, undefined, "gone"]);
});

test.each(["", "null", "{}", '{"posted":1}', "nonsense"])(
  "a form that others have replaced by %j is gone",
  async (text) => {
    const { forms, records } = start();
    await forms.save("id", POSTED, "sealed");
    const keys: string[] = [];
    const read = records.read.bind(records);
    records.read = (name) => {
      keys.push(name);
      return read(name);
    };
    await forms.load("id");
    const [itsKey = ""] = keys;
    await records.replace(itsKey, 2, text);
    expect([await forms.load("id"), await forms.recordArrival("id", POSTED)]).toEqual([undefined, "gone"]);
  },
);
