import { expect, test } from "vitest";

import { buildChartData, type CurveLine } from "../shared/chartData";

const line = (...points: [number, number][]): CurveLine => ({
  key: "a",
  label: "a",
  slot: 0,
  points: points.map(([iteration, value]) => [iteration, value, 0]),
});

test("buildChartData puts curves with different iterations on one axis", () => {
  const { iterations, values } = buildChartData([line([1, 5], [3, 6]), line([2, 7])], 0, false);
  expect(iterations).toEqual([1, 2, 3]);
  expect(values).toEqual([
    [5, undefined, 6],
    [undefined, 7, undefined],
  ]);
});

test("buildChartData sorts a curve that went back to an earlier iteration, whose last value counts", () => {
  const { iterations, values } = buildChartData([line([1, 5], [3, 6], [2, 7], [3, 8]), line([0, 1])], 0, false);
  expect(iterations).toEqual([0, 1, 2, 3]);
  expect(values[0]).toEqual([undefined, 5, 7, 8]);
});

test("buildChartData puts curves on the time since the start", () => {
  const one: CurveLine = { key: "a", label: "a", slot: 0, points: [[9, 5, 107], [1, 6, 110.5]] };
  const { iterations, values } = buildChartData([one], 0, false, 100);
  expect(iterations).toEqual([7, 10.5]);
  expect(values).toEqual([[5, 6]]);
});

test("smoothing starts at the first value and stays between the extremes", () => {
  const [row] = buildChartData([line([1, 4], [2, 0], [3, 0])], 0.5, false).values;
  expect(row?.[0]).toBe(4);
  expect(row?.[1]).toBeCloseTo(4 / 3);
  expect(row?.[2]).toBeCloseTo(4 / 7);
});

test("a value that is not finite leaves a gap, can be read, and does not change the values after it", () => {
  const points: CurveLine["points"] = [[1, 2, 0], [2, "NaN", 0], [3, 2, 0], [4, "-Infinity", 0]];
  const { values, readings } = buildChartData([{ ...line(), points }], 0.5, false);
  expect(values).toEqual([[2, null, 2, null]]);
  expect(readings).toEqual([[2, NaN, 2, -Infinity]]);
});

test("a logarithmic axis has positive values only", () => {
  expect(buildChartData([line([1, 0], [2, 1])], 0, true).values).toEqual([[null, 1]]);
});
