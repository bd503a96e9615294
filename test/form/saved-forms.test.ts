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

async function recordArrivals(forms: SavedForms, count: number): Promise<Arrival[]> {
  const arrivals: Arrival[] = [];
  for (let n = 0; n < count; n += 1) arrivals.push(await forms.recordArrival("id", POSTED));
  return arrivals;
}

test("the first arrival of a form passes, and later arrivals do not", async () => {
  const { forms } = start();
  await forms.save("id", POSTED, "sealed");
  // No browser was redirected yet, so the user has filled the form in again.
  expect(await forms.recordArrival("id", POSTED)).toBe("other");
  for (const _ of [1, 2, 3]) expect(await forms.loadForRedirect("id")).toBe("sealed");
  expect(await recordArrivals(forms, 4)).toEqual(["first", "again", "again", "other"]);
  expect([await forms.load("id"), await forms.loadForRedirect("id")]).toEqual([undefined, undefined]);
});

test("if twenty requests arrive at the same time, only one is the first", async () => {
  const { forms } = start();
  await forms.save("id", POSTED, "sealed");
  for (let n = 0; n < 20; n += 1) await forms.loadForRedirect("id");
  const arrivals = await Promise.all(Array.from({ length: 20 }, () => forms.recordArrival("id", POSTED)));
  expect(arrivals.sort()).toEqual([...Array(19).fill("again"), "first"]);
});

test.each([
  ["another URL", { ...POSTED, to: "/orders/1" }],
  ["another length", { ...POSTED, length: 11 }],
  ["an unknown length", { ...POSTED, length: Number.NaN }],
])("a form with %s is another form", async (_case, posted) => {
  const { forms } = start();
  await forms.save("id", POSTED, "sealed");
  await forms.loadForRedirect("id");
  expect([await forms.recordArrival("id", posted), await forms.recordArrival("id", POSTED)]).toEqual([
    "other",
    "first",
  ]);
});

test("the record expires a minute after the first arrival", async () => {
  const { forms, later } = start();
  await forms.save("id", POSTED, "sealed");
  for (const _ of [1, 2]) await forms.loadForRedirect("id");
  expect(await forms.recordArrival("id", POSTED)).toBe("first");
  later(60);
  expect(await forms.recordArrival("id", POSTED)).toBe("gone");
});

test("a form expires ten minutes after it was saved or last loaded", async () => {
  const { forms, later } = start();
  await forms.save("id", POSTED, "sealed");
  later(FORM_LIFE_MS / 1000 - 1);
  expect(await forms.load("id")).toBe("sealed");
  later(FORM_LIFE_MS / 1000 - 1);
  expect(await forms.load("id")).toBe("sealed");
  later(FORM_LIFE_MS / 1000);
  expect(await forms.load("id")).toBeUndefined();
});

test("a form that is removed during its arrival is gone", async () => {
  const { forms, records } = start();
  await forms.save("id", POSTED, "sealed");
  await forms.loadForRedirect("id");
  const replace = records.replace.bind(records);
  records.replace = async (...args) => {
    await forms.remove("id");
    return replace(...args);
  };
  expect(await forms.recordArrival("id", POSTED)).toBe("gone");
});

test("a form that was never saved is gone", async () => {
  const { forms } = start();
  expect([
    await forms.load("id"),
    await forms.loadForRedirect("id"),
    await forms.recordArrival("id", POSTED),
  ]).toEqual([undefined, undefined, "gone"]);
});

test.each(["", "null", "{}", '{"posted":1}', "nonsense"])(
  "a form whose record was replaced by %j is gone",
  async (text) => {
    const { forms, records } = start();
    await forms.save("id", POSTED, "sealed");
    const keys: string[] = [];
    const read = records.read.bind(records);
    records.read = (key) => {
      keys.push(key);
      return read(key);
    };
    await forms.load("id");
    const [recordKey = ""] = keys;
    await records.replace(recordKey, 2, text);
    expect([await forms.load("id"), await forms.recordArrival("id", POSTED)]).toEqual([undefined, "gone"]);
  },
);
