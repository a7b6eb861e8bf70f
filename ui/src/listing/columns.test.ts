import { expect, test } from "vitest";

import { mainMetric, metricNames, parameterNames } from "./columns";
import { anOutline } from "./samples";

test("parameters that differ stand apart from those that all share", () => {
  const sweep = [
    anOutline({ parameters: { epochs: "3", rate: "0.1" } }),
    anOutline({ parameters: { epochs: "3", rate: "0.01", nesterov: "true" } }),
  ];
  expect(parameterNames(sweep)).toEqual({ differing: ["rate", "nesterov"], shared: ["epochs"] });
});

test("with one training nothing differs", () => {
  expect(parameterNames([anOutline({ parameters: { rate: "0.1" } })])).toEqual({ differing: [], shared: ["rate"] });
});

test("metrics for judging come before those that more trainings have, and training's own last", () => {
  const trainings = [
    anOutline({ metrics: { "train/loss": 1, rare: 1, loss: 1 } }),
    anOutline({ metrics: { "train/loss": 1, loss: 1, "validation/accuracy": 1 } }),
  ];
  expect(metricNames(trainings)).toEqual(["validation/accuracy", "loss", "rare", "train/loss"]);
});

test("accuracy is judged by before loss, and anything before nothing", () => {
  expect(mainMetric(["validation/loss", "accuracy"])).toBe("accuracy");
  expect(mainMetric(["loss"])).toBe("loss");
  expect(mainMetric([])).toBeNull();
});
