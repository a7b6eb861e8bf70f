import { expect, test } from "vitest";

import type { CurveSeries } from "../api/types";
import { pointsBefore } from "./earlierLines";

const series = (name: string, ...iterations: number[]): CurveSeries => ({
  name,
  phase: "train",
  axis: "step",
  progress: false,
  total: iterations.length,
  points: iterations.map((iteration) => [iteration, 0.5, iteration]),
});

test("the earlier curve ends before the first iteration of the one that continues it", () => {
  const points = pointsBefore(series("loss", 3, 4), [series("accuracy", 1), series("loss", 1, 2, 3)]);
  expect(points?.map(([iteration]) => iteration)).toEqual([1, 2]);
});

test.each([
  ["another metric", series("loss", 3), [series("accuracy", 1)]],
  ["another axis", series("loss", 3), [{ ...series("loss", 1), axis: "epoch" as const }]],
  ["no iteration before", series("loss", 1), [series("loss", 1, 2)]],
  ["no value yet", series("loss"), [series("loss", 1, 2)]],
])("there is no earlier curve: %s", (_, own, earlier) => {
  expect(pointsBefore(own, earlier)).toBeNull();
});
