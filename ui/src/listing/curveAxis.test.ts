import { expect, test } from "vitest";

import type { CurveSeries } from "../api/types";
import { commonAxis, divergenceText, placePoints } from "./curveAxis";
import { sampleTraining } from "./sampleTrainings";

const axisOf = (...axes: CurveSeries["axis"][]) => commonAxis(axes.map((axis) => ({ axis })));

test("the axis is what all series count", () => {
  expect([axisOf("epoch", "epoch"), axisOf("step"), axisOf(null), axisOf(), axisOf("epoch", null)]).toEqual([
    "epoch",
    "step",
    "iteration",
    "iteration",
    "iteration",
  ]);
});

test("the axis is the time where iterations do not increase or count different things", () => {
  expect([axisOf("time"), axisOf("epoch", "time"), axisOf("epoch", "step")]).toEqual(["elapsed", "elapsed", "elapsed"]);
});

test("on the time axis, points are at the seconds since the training began to run", () => {
  const training = sampleTraining({ running_at: "2026-11-25T02:00:00Z" });
  const start = Date.parse("2026-11-25T02:00:00Z") / 1000;
  expect(placePoints([[7, 0.5, start + 3]], "elapsed", training)).toEqual([[3, 0.5, start + 3]]);
  expect(placePoints([[7, 0.5, start + 3]], "epoch", training)).toEqual([[7, 0.5, start + 3]]);
  const unknown = sampleTraining({ running_at: null });
  expect(placePoints([[7, 0.5, 100], [8, 0.4, 102]], "elapsed", unknown).map(([place]) => place)).toEqual([0, 2]);
});

test("divergenceText reports where a curve is no number any more", () => {
  expect(divergenceText([[1, 0.5, 0], [2, "NaN", 0], [3, "NaN", 0]], "epoch")).toBe("NaN from epoch 2 on");
  expect(divergenceText([[1, 0.5, 0]], "epoch")).toBeNull();
});
