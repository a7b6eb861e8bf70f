import { expect, test } from "vitest";

import { drawn, type Line } from "./lines";

const line = (...points: [number, number][]): Line => ({
  key: "a",
  label: "a",
  slot: 0,
  points: points.map(([iteration, value]) => [iteration, value, 0]),
});

test("curves that were measured at different iterations share an axis", () => {
  expect(drawn([line([1, 5], [3, 6]), line([2, 7])], 0, false)).toEqual({
    iterations: [1, 2, 3],
    values: [
      [5, undefined, 6],
      [undefined, 7, undefined],
    ],
  });
});

test("smoothing starts at the first value and stays between the extremes", () => {
  const [row] = drawn([line([1, 4], [2, 0], [3, 0])], 0.5, false).values;
  expect(row?.[0]).toBe(4);
  expect(row?.[1]).toBeCloseTo(4 / 3);
  expect(row?.[2]).toBeCloseTo(4 / 7);
});

test("a value that is no number leaves a gap and does not spoil what follows", () => {
  expect(drawn([line([1, 2], [2, NaN], [3, 2])], 0.5, false).values).toEqual([[2, undefined, 2]]);
});

test("on a logarithmic axis only positive values have a place", () => {
  expect(drawn([line([1, 0], [2, 1])], 0, true).values).toEqual([[undefined, 1]]);
});
