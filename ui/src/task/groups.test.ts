import { expect, test } from "vitest";

import { groups, labelOf } from "./groups";

const series = (name: string, phase: string) => ({ name, phase, total: 0, points: [] });

test("training and validation of one metric share a chart, whatever their spelling", () => {
  const found = groups([series("Loss", ""), series("loss", "validation"), series("epoch_loss", "train")]);
  expect(found.map((one) => one.series.length)).toEqual([3]);
});

test("losses stand first, then measures of quality, the learning rate last", () => {
  const found = groups([series("lr", ""), series("throughput", ""), series("accuracy", ""), series("loss", "")]);
  expect(found.map((one) => one.name)).toEqual(["loss", "accuracy", "throughput", "lr"]);
});

test("two series of one phase are told apart by their names", () => {
  const [group] = groups([series("loss", "train"), series("epoch_loss", "train"), series("loss", "validation")]);
  expect(group?.series.map((one) => labelOf(one, group))).toEqual(["train loss", "train epoch_loss", "validation"]);
});
