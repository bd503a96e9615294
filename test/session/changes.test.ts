import { describe, expect, test } from "vitest";
import { changesSince, snapshotOf, withChanges } from "../../lib/session/changes.js";

const cookie = { originalMaxAge: null };

describe("what a request has done to its session", () => {
  test.each<[string, object, object, [string, unknown][]]>([
    ["nothing", { cart: ["book"] }, { cart: ["book"] }, []],
    ["nothing to a visitor's", {}, {}, []],
    ["added", {}, { cart: ["book"] }, [["cart", ["book"]]]],
    ["changed", { visits: 1 }, { visits: 2 }, [["visits", 2]]],
    ["changed deep inside", { user: { a: { b: 1 } } }, { user: { a: { b: 2 } } }, [["user", { a: { b: 2 } }]]],
    ["removed", { visits: 1, cart: [] }, { cart: [] }, [["visits", undefined]]],
    ["set to undefined, which JSON leaves out", { visits: 1 }, { visits: undefined }, [["visits", undefined]]],
    ["set to null, which it does not", { visits: 1 }, { visits: null }, [["visits", null]]],
    ["put in another order", { a: 1, b: 2 }, { b: 2, a: 1 }, []],
    [
      "several of them",
      { a: 1, b: 2, c: 3 },
      { a: 1, b: 3, d: 4 },
      [
        ["b", 3],
        ["c", undefined],
        ["d", 4],
      ],
    ],
    ["the cookie's and the login's are not the application's", {}, { cookie: { x: 1 }, portal: { y: 2 } }, []],
    ["called __proto__", {}, JSON.parse('{"__proto__":{"admin":true}}'), [["__proto__", { admin: true }]]],
  ])("%s", (_name, before, after, changes) => {
    const loaded = { cookie, portal: { version: 1 }, ...before };
    expect([...changesSince(snapshotOf(loaded), after)]).toEqual(changes);
  });

  test("a part that is changed in place is seen: the snapshot is text", () => {
    const loaded = { cookie, cart: ["book"] };
    const snapshot = snapshotOf(loaded);
    loaded.cart.push("lamp");
    expect([...changesSince(snapshot, loaded)]).toEqual([["cart", ["book", "lamp"]]]);
  });

  test("a date that comes back from the store as text has not changed", () => {
    const at = new Date(0);
    expect([...changesSince(snapshotOf({ cookie, at }), { cookie, at: at.toISOString() })]).toEqual([]);
  });
});

describe("the stored session with these changes", () => {
  test("keeps what others did to other keys, and the cookie and the login", () => {
    const stored = { cookie, portal: { version: 2 } as never, cart: ["lamp"], visits: 1, gone: 1 };
    const changes = new Map<string, unknown>([
      ["visits", 2],
      ["gone", undefined],
      ["new", true],
    ]);
    expect(withChanges(stored, changes)).toStrictEqual({
      cookie,
      portal: { version: 2 },
      cart: ["lamp"],
      visits: 2,
      new: true,
    });
  });

  test("is a copy", () => {
    const stored = { cookie, visits: 1 };
    expect(withChanges(stored, new Map([["visits", 2]]))).toMatchObject({ visits: 2 });
    expect(stored.visits).toBe(1);
  });

  test("takes a key called __proto__ for a key", () => {
    const merged = withChanges({ cookie }, new Map([["__proto__", { admin: true }]]));
    expect(Object.getPrototypeOf(merged)).toBe(Object.prototype);
    expect((merged as Record<string, unknown>)["admin"]).toBeUndefined();
    expect(JSON.stringify(merged)).toContain('"__proto__":{"admin":true}');
  });
});
