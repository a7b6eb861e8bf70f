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

test("parameterNames ignores trainings of which nothing is known", () => {
  const unknown = sampleTraining({ id: "away", state: null });
  const trainings = [sampleTraining({ parameters: { rate: "0.1" } }), unknown];
  expect(parameterNames(trainings)).toEqual({ differing: [], shared: ["rate"] });
});

test("metricNames lists validation metrics first, then frequent ones, training metrics last", () => {
  const trainings = [
    sampleTraining({ metrics: { "train/loss": 1, rare: 1, loss: 1 } }),
    sampleTraining({ metrics: { "train/loss": 1, loss: 1, "validation/accuracy": 1 } }),
  ];
  expect(metricNames(trainings).map(({ name }) => name)).toEqual(["validation/accuracy", "loss", "rare", "train/loss"]);
});

test("metricNames lists metrics of progress bars last, unless a training has the value of an epoch", () => {
  const bar = { metrics: { accuracy: 1, "train/loss": 1, "val_loss": 1 }, progress_metrics: ["accuracy", "val_loss"] };
  const names = metricNames([sampleTraining(bar), sampleTraining({ ...bar, progress_metrics: ["accuracy"] })]);
  expect(names).toEqual([
    { name: "val_loss", isProgress: false },
    { name: "train/loss", isProgress: false },
    { name: "accuracy", isProgress: true },
  ]);
});

test("defaultMetric prefers an accuracy among the metrics that decide best, and is null only without metrics", () => {
  const chosen = (metrics: string[], progress_metrics: string[] = []) =>
    defaultMetric(
      metricNames([sampleTraining({ metrics: Object.fromEntries(metrics.map((name) => [name, 1])), progress_metrics })]),
    );
  expect(chosen(["loss", "accuracy"])).toBe("accuracy");
  expect(chosen(["accuracy", "validation/loss"])).toBe("validation/loss");
  expect(chosen(["validation/loss", "validation/accuracy", "accuracy"])).toBe("validation/accuracy");
  expect(chosen(["accuracy", "train/loss"], ["accuracy"])).toBe("train/loss");
  expect(chosen(["loss"], ["loss"])).toBe("loss");
  expect(chosen([])).toBeNull();
});
