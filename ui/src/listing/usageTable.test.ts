import { expect, test } from "vitest";

import type { ServiceUsage, UsageHours } from "../api/types";
import { formatHours, usageTableRows, wastedShare } from "./usageTable";

const hours = (parts: Partial<UsageHours> = {}): UsageHours => ({
  name: "digits",
  trainings: 2,
  gpu_hours: 4,
  wasted_hours: 1,
  wasted: [{ cause: "failed", hours: 1 }],
  ...parts,
});

test("a table has a row for each name, the part without a name, and the total last", () => {
  const usage: ServiceUsage = {
    connection: "c",
    since: "2026-11-01T00:00:00Z",
    rows: [hours(), hours({ name: null, wasted_hours: 0, wasted: [] })],
    total: hours({ name: null, trainings: 4, gpu_hours: 8 }),
  };
  expect(usageTableRows(usage)).toEqual([
    { name: "digits", trainings: "2", hours: "4.0", wasted: "1.0", share: "25 %", causes: "failed 1.0" },
    { name: "other", trainings: "2", hours: "4.0", wasted: "0.0", share: "0 %", causes: "" },
    { name: "all", trainings: "4", hours: "8.0", wasted: "1.0", share: "13 %", causes: "failed 1.0" },
  ]);
});

test("without any use there is no share", () => {
  expect(wastedShare(hours({ gpu_hours: 0, wasted_hours: 0 }))).toBe("");
});

test("a small use is not shown as none", () => {
  expect([0, 0.01, 0.05, 1.26, 1234].map(formatHours)).toEqual(["0.0", "< 0.1", "0.1", "1.3", "1234.0"]);
});
