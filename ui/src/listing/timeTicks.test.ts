import { expect, test } from "vitest";

import { formatTicks } from "./timeTicks";

const at = (...texts: string[]): number[] => texts.map((text) => Date.parse(text) / 1000);

test("steps of days show dates only", () => {
  expect(formatTicks(at("2026-11-25T00:00:00Z", "2026-11-26T00:00:00Z"), 86_400, "UTC")).toEqual(["25 Nov", "26 Nov"]);
});

test("shorter steps show the time, and the date at the first label of each day", () => {
  const times = at("2026-11-25T22:00:00Z", "2026-11-25T23:00:00Z", "2026-11-26T00:00:00Z");
  expect(formatTicks(times, 3600, "UTC")).toEqual(["22:00\n25 Nov", "23:00", "00:00\n26 Nov"]);
  expect(formatTicks(times, 3600, "Asia/Tokyo")).toEqual(["07:00\n26 Nov", "08:00", "09:00"]);
});

test("steps of seconds show seconds, so that labels differ", () => {
  const times = at("2026-11-25T22:00:00Z", "2026-11-25T22:00:05Z");
  expect(formatTicks(times, 5, "UTC")).toEqual(["22:00:00\n25 Nov", "22:00:05"]);
});
