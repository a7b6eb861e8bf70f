import { expect, test } from "vitest";

import { buildChartData, type CurveLine } from "../shared/chartData";

const line = (...points: [number, number][]): CurveLine => ({
  key: "a",
  label: "a",
  slot: 0,
  points: points.map(([iteration, value]) => [iteration, value, 0]),
});

test("buildChartData puts curves with different iterations on one axis", () => {
  expect(buildChartData([line([1, 5], [3, 6]), line([2, 7])], 0, false)).toEqual({
    iterations: [1, 2, 3],
    values: [
      [5, undefined, 6],
      [undefined, 7, undefined],
    ],
  });
});

test("smoothing starts at the first value and stays between the extremes", () => {
  const [row] = buildChartData([line([1, 4], [2, 0], [3, 0])], 0.5, false).values;
  expect(row?.[0]).toBe(4);
  expect(row?.[1]).toBeCloseTo(4 / 3);
  expect(row?.[2]).toBeCloseTo(4 / 7);
});

test("a value that is not finite leaves a gap and does not change the values after it", () => {
  expect(buildChartData([line([1, 2], [2, NaN], [3, 2])], 0.5, false).values).toEqual([[2, undefined, 2]]);
});

test("a logarithmic axis has positive values only", () => {
  expect(buildChartData([line([1, 0], [2, 1])], 0, true).values).toEqual([[undefined, 1]]);
});
