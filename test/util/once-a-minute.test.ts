import { expect, test, vi } from "vitest";
import { onceAMinute } from "../../lib/util/once-a-minute.js";

test("what is told more often is told once a minute", () => {
  const now = vi.spyOn(performance, "now");
  const tell = vi.fn();
  const sometimes = onceAMinute(tell);
  for (const [second, message] of ["a", "b", "c", "d"].entries()) {
    now.mockReturnValue(second * 30_000);
    sometimes(message);
  }
  expect(tell.mock.calls).toEqual([["a"], ["c"]]);
});
