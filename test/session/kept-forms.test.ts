import session from "express-session";
import { expect, test } from "vitest";
import { type Arrival, KeptForms } from "../../lib/session/kept-forms.js";
import { plainUpdate, type Update } from "../../lib/session/update.js";
import { createClock } from "../support/clock.js";

const POSTED = { to: "/orders", length: 10 };

function start() {
  const { clock, later } = createClock();
  const update = plainUpdate(new session.MemoryStore());
  return { forms: new KeptForms(update, clock), update, clock, later };
}

async function arriveOften(forms: KeptForms, times: number): Promise<Arrival[]> {
  const arrivals: Arrival[] = [];
  for (let n = 0; n < times; n += 1) arrivals.push(await forms.arrive("id", POSTED));
  return arrivals;
}

test("a form is let in the first time that a browser comes with it, and not when it comes once more", async () => {
  const { forms } = start();
  await forms.keep("id", POSTED, "sealed");
  expect(await forms.arrive("id", POSTED)).toBe("other"); // filled in anew: nobody was sent on
  for (const _ of [1, 2, 3]) expect(await forms.release("id")).toBe("sealed");
  expect(await arriveOften(forms, 4)).toEqual(["first", "again", "again", "other"]);
  expect([await forms.look("id"), await forms.release("id")]).toEqual([undefined, undefined]);
});

test.each([
  ["another address", { ...POSTED, to: "/orders/1" }],
  ["another length", { ...POSTED, length: 11 }],
  ["no length", { ...POSTED, length: Number.NaN }],
])("what comes with %s is another one", async (_what, posted) => {
  const { forms } = start();
  await forms.keep("id", POSTED, "sealed");
  await forms.release("id");
  expect([await forms.arrive("id", posted), await forms.arrive("id", POSTED)]).toEqual(["other", "first"]);
});

test("a browser that was sent on and does not come is waited for a minute", async () => {
  const { forms, later } = start();
  await forms.keep("id", POSTED, "sealed");
  for (const _ of [1, 2]) await forms.release("id");
  expect(await forms.arrive("id", POSTED)).toBe("first");
  later(60);
  expect(await forms.arrive("id", POSTED)).toBe("gone");
});

test("one that is dropped at the very moment of its arrival does not arrive", async () => {
  const { forms, update, clock } = start();
  await forms.keep("id", POSTED, "sealed");
  await forms.release("id");
  // as the optimistic way does it: what was to be written is not, since somebody else has written
  const overtaken: Update = async (id, change) => {
    await update(id, (stored) => {
      change(stored);
      return null;
    });
    return undefined;
  };
  expect(await new KeptForms(overtaken, clock).arrive("id", POSTED)).toBe("again");
});

test("what was never kept is gone", async () => {
  const { forms } = start();
  expect([await forms.look("id"), await forms.release("id"), await forms.arrive("id", POSTED)]).toEqual([
    undefined,
    undefined,
    "gone",
  ]);
});
