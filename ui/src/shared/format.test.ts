import { expect, test } from "vitest";

import { formatAge, formatBytes, formatClock, formatDuration, formatNumber } from "./format";

test("formatBytes uses the largest unit below the size", () => {
  expect([0, 1023, 1024, 1.5 * 1024 ** 2, 2048 * 1024 ** 3].map(formatBytes)).toEqual([
    "0 B",
    "1023 B",
    "1.0 KiB",
    "1.5 MiB",
    "2048.0 GiB",
  ]);
});

test("formatDuration always has the seconds", () => {
  expect([0, 59_000, 61_000, 7_500_000].map(formatDuration)).toEqual(["0 s", "59 s", "1 min 1 s", "2 h 5 min 0 s"]);
});

test("formatAge has the largest unit only", () => {
  expect([-5, 59_999, 60_000, 7_500_000, 48 * 3_600_000].map(formatAge)).toEqual(["0 s", "59 s", "1 min", "2 h", "2 days"]);
});

test("formatNumber keeps four significant digits", () => {
  expect([0.123456, 12345.6, 1].map(formatNumber)).toEqual(["0.1235", "12350", "1"]);
});

test("formatNumber shows what is no finite number", () => {
  expect([NaN, Infinity, -Infinity].map(formatNumber)).toEqual(["NaN", "∞", "-∞"]);
});

test("formatClock has fractions of a second only where there are some", () => {
  expect([0, 0.5, 59.96, 3903, -5].map(formatClock)).toEqual(["0:00:00", "0:00:00.5", "0:01:00", "1:05:03", "-0:00:05"]);
});
