import { expect, test } from "vitest";

import type { CurveSeries } from "../api/types";
import { trainingKey } from "./trainingFields";
import { curveNames, curveOfMetric, needsFetch, withError, withResponse } from "./curveState";
import { sampleTraining } from "./sampleTrainings";

const running = sampleTraining({ id: "r", state: "running" });
const ended = sampleTraining({ id: "e" });
const series: CurveSeries = { name: "loss", phase: "train", axis: null, progress: false, total: 1, points: [[1, 0.5, 0]] };

test("needsFetch is true again for a running training, and once for a final one", () => {
  const response = { version: "1", series: [series], complete: false };
  expect(needsFetch(running, undefined)).toBe(true);
  expect(needsFetch(running, withResponse(running, undefined, response))).toBe(true);
  expect(needsFetch(ended, withResponse(ended, undefined, response))).toBe(false);
  expect(needsFetch(running, withResponse(running, undefined, { ...response, complete: true }))).toBe(false);
});

test("needsFetch is true once more when the training has become final", () => {
  const before = withResponse({ ...ended, state: "running" }, undefined, { version: "1", series: [], complete: false });
  expect(needsFetch(ended, before)).toBe(true);
});

test("needsFetch is false for a training that is not submitted", () =>
  expect(needsFetch(sampleTraining({ id: null }), undefined)).toBe(false));

test("withResponse keeps the curves where the response has no series", () => {
  const first = withResponse(running, undefined, { version: "1", series: [series], complete: false });
  expect(withResponse(running, first, { version: "1", series: null, complete: true }).series).toEqual([series]);
});

test("withResponse returns the same object where nothing changed", () => {
  const first = withResponse(running, undefined, { version: "1", series: [series], complete: false });
  expect(withResponse(running, first, { version: "1", series: null, complete: false })).toBe(first);
  expect(
    withResponse(running, withError(first, "no response"), { version: "1", series: null, complete: false }),
  ).not.toBe(first);
});

test("withError keeps the curves, has the reason, and makes needsFetch true", () => {
  const state = withError(
    withResponse(ended, undefined, { version: "1", series: [series], complete: true }),
    "no response",
  );
  expect(state).toMatchObject({ series: [series], error: "no response" });
  expect(needsFetch(ended, state)).toBe(true);
});

test("curveNames lists metrics that have curves", () => {
  const state = new Map([
    [trainingKey(running), withResponse(running, undefined, { version: "1", series: [series], complete: false })],
  ]);
  expect(curveNames([running, ended], state)).toEqual([{ name: "train/loss", isProgress: false }]);
});

test("the curve of a progress bar has a name of its own, and is shown for a metric only where there is no other", () => {
  const bar = { ...series, progress: true };
  const both = withResponse(running, undefined, { version: "1", series: [bar, series], complete: false });
  const names = curveNames([running], new Map([[trainingKey(running), both]]));
  expect(names.map(({ name }) => name)).toEqual(["train/loss", "train/loss (progress bar)"]);
  expect(curveOfMetric("train/loss", names)).toBe("train/loss");
  expect(curveOfMetric("train/loss", names.slice(1))).toBe("train/loss (progress bar)");
  expect(curveOfMetric("loss", names)).toBeNull();
});
