import { expect, test } from "vitest";

import { isolatedPoints } from "./curvePlot";

test("isolatedPoints finds the values between gaps, also a single one", () => {
  expect(isolatedPoints([1])).toEqual([0]);
  expect(isolatedPoints([undefined, 1, undefined, null, 2, undefined, 3, null, 4])).toEqual([1, 8]);
});

test("isolatedPoints is null where each value has a line to another one", () => {
  expect(isolatedPoints([1, 2])).toBeNull();
  expect(isolatedPoints([1, undefined, 2, 3, null, 4, 5])).toBeNull();
  expect(isolatedPoints([])).toBeNull();
});
