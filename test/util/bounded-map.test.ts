import { describe, expect, test } from "vitest";
import { BoundedMap } from "../../lib/util/bounded-map.js";

describe("a bounded map", () => {
  test("drops the oldest entry when it is full", () => {
    const map = new BoundedMap<string, number>(2);
    map.set("a", 1).set("b", 2).set("c", 3);
    expect([...map]).toEqual([
      ["b", 2],
      ["c", 3],
    ]);
  });

  test("makes an entry the newest one when it is saved again", () => {
    const map = new BoundedMap<string, number>(2);
    map.set("a", 1).set("b", 2).set("a", 3).set("c", 4);
    expect([...map]).toEqual([
      ["a", 3],
      ["c", 4],
    ]);
  });

  test("has room again after an entry was deleted", () => {
    const map = new BoundedMap<string, number>(2);
    map.set("a", 1).set("b", 2);
    map.delete("a");
    map.set("c", 3);
    expect([...map.keys()]).toEqual(["b", "c"]);
  });
});
