import { expect, test } from "vitest";

import { axisTitle, chartAxis, describeNonFinite, formatPosition, readingAtOrBefore } from "./chartAxis";

test("chartAxis follows the metric, unless the user chose the time or the steps", () => {
  const axes = ["step", "epoch", null, "time"] as const;
  expect(axes.map((one) => chartAxis(one, "automatic", 0))).toEqual(["step", "epoch", "iteration", "elapsed"]);
  expect(axes.map((one) => chartAxis(one, "elapsed", 0))).toEqual(["elapsed", "elapsed", "elapsed", "elapsed"]);
  expect(axes.map((one) => chartAxis(one, "step", 0))).toEqual(["step", "epoch", "iteration", "iteration"]);
});

test("chartAxis shows iterations while the start of the training is unknown", () => {
  expect(chartAxis("time", "elapsed", null)).toBe("iteration");
});

test("positions and titles name their unit", () => {
  expect(formatPosition("epoch", 3)).toBe("epoch 3");
  expect(formatPosition("elapsed", 63)).toBe("0:01:03");
  expect(axisTitle("elapsed")).toContain("h:min:s");
});

test("describeNonFinite names the first value that is not finite, and whether it stays so", () => {
  const steps = [1, 2, 3, 4];
  expect(describeNonFinite("step", steps, [1, 2, undefined, 3])).toBeNull();
  expect(describeNonFinite("step", steps, [1, NaN, undefined, NaN])).toBe("NaN from step 2 on");
  expect(describeNonFinite("step", steps, [1, 2, 3, Infinity])).toBe("∞ at step 4");
  expect(describeNonFinite("step", steps, [1, -Infinity, NaN, NaN])).toBe("NaN or infinite from step 2 on");
  expect(describeNonFinite("step", steps, [1, NaN, 3, 4])).toContain("the first one at step 2");
});

test("readingAtOrBefore returns NaN where that is the last value", () => {
  expect(readingAtOrBefore([1, NaN, undefined], 2)).toBeNaN();
  expect(readingAtOrBefore([undefined, 1], 0)).toBeNull();
});
