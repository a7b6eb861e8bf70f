import { expect, test } from "vitest";

import { best, guessDirection } from "./direction";

test.each(["loss", "validation/loss", "minibatchLoss", "train/rmse", "val_mae", "Error rate", "perplexity", "WER"])(
  "%s is better when it is less",
  (metric) => expect(guessDirection(metric)).toBe("down"),
);

test.each(["accuracy", "validation/f1", "bleu", "mean IoU", "interrater agreement", "glossary hits", "throughput"])(
  "%s is better when it is more",
  (metric) => expect(guessDirection(metric)).toBe("up"),
);

test("the best is a number, or nothing", () => {
  expect(best([0.2, NaN, 0.9, Infinity], "up")).toBe(0.9);
  expect(best([0.2, 0.9], "down")).toBe(0.2);
  expect(best([NaN], "up")).toBeNull();
});
