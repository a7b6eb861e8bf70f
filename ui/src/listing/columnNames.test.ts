import { expect, test } from "vitest";

import { defaultMetric, metricNames, parameterNames } from "./columnNames";
import { sampleTraining } from "./sampleTrainings";

test("parameterNames separates differing parameters from shared ones", () => {
  const sweep = [
    sampleTraining({ parameters: { epochs: "3", rate: "0.1" } }),
    sampleTraining({ parameters: { epochs: "3", rate: "0.01", nesterov: "true" } }),
  ];
  expect(parameterNames(sweep)).toEqual({ differing: ["rate", "nesterov"], shared: ["epochs"] });
});

test("parameterNames finds no difference in one training", () => {
  expect(parameterNames([sampleTraining({ parameters: { rate: "0.1" } })])).toEqual({
    differing: [],
    shared: ["rate"],
  });
});

test("metricNames lists validation metrics first, then frequent ones, training metrics last", () => {
  const trainings = [
    sampleTraining({ metrics: { "train/loss": 1, rare: 1, loss: 1 } }),
    sampleTraining({ metrics: { "train/loss": 1, loss: 1, "validation/accuracy": 1 } }),
  ];
  expect(metricNames(trainings)).toEqual(["validation/accuracy", "loss", "rare", "train/loss"]);
});

test("defaultMetric prefers an accuracy, and is null only without metrics", () => {
  expect(defaultMetric(["validation/loss", "accuracy"])).toBe("accuracy");
  expect(defaultMetric(["loss"])).toBe("loss");
  expect(defaultMetric([])).toBeNull();
});
