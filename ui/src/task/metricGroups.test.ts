import { expect, test } from "vitest";

import { groupByMetric, seriesLabel } from "./metricGroups";

const series = (name: string, phase: string) => ({ name, phase, axis: null, progress: false, total: 0, points: [] });

test("groupByMetric puts the spellings and phases of a metric into one group", () => {
  const found = groupByMetric([series("Loss", ""), series("loss", "validation"), series("epoch_loss", "train")]);
  expect(found.map((one) => one.series.length)).toEqual([3]);
});

test("groupByMetric orders losses first and the learning rate last", () => {
  const found = groupByMetric([series("lr", ""), series("throughput", ""), series("accuracy", ""), series("loss", "")]);
  expect(found.map((one) => one.name)).toEqual(["loss", "accuracy", "throughput", "lr"]);
});

test("seriesLabel adds the name where two series have the same phase", () => {
  const [group] = groupByMetric([series("loss", "train"), series("epoch_loss", "train"), series("loss", "validation")]);
  expect(group?.series.map((one) => seriesLabel(one, group))).toEqual(["train loss", "train epoch_loss", "validation"]);
});
