import { expect, test } from "vitest";

import { usageGroups } from "./usageLines";

const usage = (resource: string, unit: string, device = "", limit: number | null = null) => ({
  resource,
  unit,
  device,
  limit,
  points: [[100, 50]] as [number, number][],
});

test("usageGroups puts the GPUs of a training into one chart, and orders the charts", () => {
  const groups = usageGroups([
    usage("gpu", "percent", "GPU 0"),
    usage("gpu", "percent", "GPU 1"),
    usage("memory", "bytes", "", 1024 ** 3),
    usage("cpu", "percent"),
  ]);
  expect(groups.map(({ title, lines }) => [title, lines.map(({ label }) => label)])).toEqual([
    ["CPU", ["used"]],
    ["Memory", ["used (of 1.0 GiB)"]],
    ["GPU", ["GPU 0", "GPU 1"]],
  ]);
  expect(groups.map(({ formatValue }) => formatValue(50))).toEqual(["50 %", "50 B", "50 %"]);
});

test("usageGroups leaves out what has no points, and resources that it does not know", () => {
  expect(usageGroups([{ ...usage("cpu", "percent"), points: [] }, usage("network", "bytes")])).toEqual([]);
});
