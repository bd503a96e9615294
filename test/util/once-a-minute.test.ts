import { expect, test, vi } from "vitest";
import { onceAMinute } from "../../lib/util/once-a-minute.js";

test("passes on at most one message per minute", () => {
  const now = vi.spyOn(performance, "now");
  const report = vi.fn();
  const reportOnceAMinute = onceAMinute(report);
  for (const [index, message] of ["a", "b", "c", "d"].entries()) {
    now.mockReturnValue(index * 30_000);
    reportOnceAMinute(message);
  }
  expect(report.mock.calls).toEqual([["a"], ["c"]]);
});
