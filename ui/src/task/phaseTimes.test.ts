import { expect, test } from "vitest";

import { phaseTotals } from "./phaseTimes";

const NOW = Date.parse("2026-11-25T02:00:00Z");

/** Phases of 10 s each, the last one of which lasts. */
const phases = (...names: string[]) =>
  names.map((phase, index) => ({
    phase,
    since: new Date(NOW - (names.length - index) * 10_000).toISOString(),
    until: index === names.length - 1 ? null : new Date(NOW - (names.length - index - 1) * 10_000).toISOString(),
  }));

test("phases are listed one by one, also a repeated one", () => {
  const totals = phaseTotals(phases("queued", "processing", "recovering", "processing"), NOW);
  expect(totals.map(({ phase, duration, times }) => [phase, duration, times])).toEqual([
    ["queued", 10_000, 1],
    ["processing", 10_000, 1],
    ["recovering", 10_000, 1],
    ["processing", 10_000, 1],
  ]);
});

test("of many phases each one has its sum", () => {
  const names = ["queued", ...Array.from({ length: 4 }, () => ["loading", "processing", "recovering"]).flat()];
  const totals = phaseTotals(phases(...names), NOW);
  expect(totals.map(({ phase, duration, times }) => [phase, duration, times])).toEqual([
    ["queued", 10_000, 1],
    ["loading", 40_000, 4],
    ["processing", 40_000, 4],
    ["recovering", 40_000, 4],
  ]);
});
