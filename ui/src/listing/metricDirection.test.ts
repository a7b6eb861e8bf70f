import { expect, test } from "vitest";

import { bestValue, guessDirection } from "./metricDirection";

test.each(["loss", "validation/loss", "minibatchLoss", "train/rmse", "val_mae", "Error rate", "perplexity", "WER"])(
  "guessDirection is down for %s",
  (metric) => expect(guessDirection(metric)).toBe("down"),
);

test.each(["accuracy", "validation/f1", "bleu", "mean IoU", "interrater agreement", "glossary hits", "throughput"])(
  "guessDirection is up for %s",
  (metric) => expect(guessDirection(metric)).toBe("up"),
);

test("bestValue is finite, or null", () => {
  expect(bestValue([0.2, NaN, 0.9, Infinity], "up")).toBe(0.9);
  expect(bestValue([0.2, 0.9], "down")).toBe(0.2);
  expect(bestValue([NaN], "up")).toBeNull();
});
