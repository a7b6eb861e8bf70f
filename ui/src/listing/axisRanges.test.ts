import { expect, test } from "vitest";

import { timeRange, valueRange } from "./axisRanges";

const HOUR = 3600;

test("one run, or all runs at one moment, are in the middle of a day", () => {
  expect(timeRange([100_000])).toEqual([100_000 - 12 * HOUR, 100_000 + 12 * HOUR]);
});

test("two runs some seconds apart are in the middle of a minute", () => {
  expect(timeRange([1000, 1004])).toEqual([972, 1032]);
});

test("runs of months fill the axis, with a margin", () => {
  const [first, last] = timeRange([0, 50, 100 * 24 * HOUR]);
  expect(first).toBeLessThan(0);
  expect(first).toBeGreaterThan(-4 * 24 * HOUR);
  expect(last).toBeGreaterThan(100 * 24 * HOUR);
});

test("the range of values contains a single one, and exists without any", () => {
  expect(valueRange(0.5, 0.5)).toEqual([0.45, 0.55]);
  expect(valueRange(0, 0)).toEqual([-1, 1]);
  expect(valueRange(null, null)).toEqual([0, 1]);
  expect(valueRange(0, 100)).toEqual([-8, 108]);
});
