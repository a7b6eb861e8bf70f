import { expect, test } from "vitest";

import type { MetricNumber } from "../shared/metricNumber";
import { trainingKey } from "./trainingFields";
import { bestKeys, MAX_CURVES, rankByMetric, toggleKey } from "./curveSelection";
import { sampleTraining } from "./sampleTrainings";

const scored = (id: string | null, loss?: MetricNumber) =>
  sampleTraining({ id, metrics: loss === undefined ? {} : { loss } });

test("rankByMetric lists the best first, and missing values last", () => {
  const ids = rankByMetric([scored("none"), scored("bad", 2), scored("good", 1)], "loss", "down").map((one) => one.id);
  expect(ids).toEqual(["good", "bad", "none"]);
});

test("a training that diverged never ranks before a finite value", () => {
  for (const direction of ["up", "down"] as const) {
    const all = [scored("none"), scored("nan", "NaN"), scored("high", "Infinity"), scored("low", "-Infinity"), scored("finite", 9)];
    const ids = rankByMetric(all, "loss", direction).map((one) => one.id);
    expect(ids).toEqual(["finite", "nan", "high", "low", "none"]);
  }
});

test("bestKeys leaves out trainings that are not submitted", () => {
  const all = [scored("bad", 3), scored("good", 1), scored(null), scored("fair", 2)];
  expect(bestKeys(all, "loss", "down", 2)).toEqual(
    new Set(all.filter((one) => /good|fair/.test(one.id ?? "")).map(trainingKey)),
  );
  expect(bestKeys(all, null, "up").size).toBe(3);
});

test("toggleKey adds up to the limit, and always removes", () => {
  const full = new Set(Array.from({ length: MAX_CURVES }, (_, index) => String(index)));
  expect(toggleKey(full, "one more")).toBe(full);
  expect(toggleKey(full, "0").size).toBe(MAX_CURVES - 1);
  expect([...toggleKey(new Set(), "a")]).toEqual(["a"]);
});
