import { expect, test } from "vitest";

import type { CurveSeries } from "../api/types";
import { groupByMetric, isOffAtFirst, seriesLabel } from "./metricGroups";

const series = (name: string, phase: string, more: Partial<CurveSeries> = {}): CurveSeries => ({
  name,
  phase,
  axis: null,
  progress: false,
  total: 0,
  points: [],
  ...more,
});

test("groupByMetric puts the spellings and phases of a metric into one group", () => {
  const found = groupByMetric([series("Loss", ""), series("loss", "validation"), series("epoch_loss", "train")]);
  expect(found.map((one) => one.series.length)).toEqual([3]);
});

test("groupByMetric separates epochs from steps, and puts unknown iterations to known ones", () => {
  const found = groupByMetric([
    series("loss", "train", { axis: "step" }),
    series("loss", "validation", { axis: "epoch" }),
    series("loss", "test"),
  ]);
  expect(found.map((one) => [one.axis, one.series.map(({ phase }) => phase)])).toEqual([
    ["step", ["train", "test"]],
    ["epoch", ["validation"]],
  ]);
});

test("groupByMetric orders losses first and the learning rate last", () => {
  const found = groupByMetric([series("lr", ""), series("throughput", ""), series("accuracy", ""), series("loss", "")]);
  expect(found.map((one) => one.name)).toEqual(["loss", "accuracy", "throughput", "lr"]);
});

test("seriesLabel adds the name where two series have the same phase, and marks a progress bar", () => {
  const [group] = groupByMetric([
    series("loss", "train"),
    series("epoch_loss", "train"),
    series("loss", "validation"),
    series("loss", "train", { progress: true }),
  ]);
  expect(group?.series.map((one) => seriesLabel(one, group))).toEqual([
    "train loss",
    "train epoch_loss",
    "validation",
    "train (progress bar)",
  ]);
});

test("a progress bar is off at first only where the same phase has values of whole epochs", () => {
  const bar = series("loss", "", { axis: "step", progress: true });
  const epochs = series("epoch_loss", "train", { axis: "epoch" });
  expect(isOffAtFirst(bar, [bar, epochs])).toBe(true);
  expect(isOffAtFirst(bar, [bar])).toBe(false);
  expect(isOffAtFirst(bar, [bar, { ...epochs, phase: "validation" }])).toBe(false);
  expect(isOffAtFirst(bar, [bar, { ...epochs, axis: "step" }])).toBe(false);
  expect(isOffAtFirst(epochs, [bar, epochs])).toBe(false);
});
