import { expect, test } from "vitest";

import type { CurvePoint } from "../shared/chartData";
import { attemptMarks, attemptStarts, describeMarks } from "./attemptMarks";

const at = (second: number): string => new Date(second * 1000).toISOString();

const ATTEMPTS = [{ number: 1, started_at: at(100) }, { number: 2, started_at: at(200) }, { number: 3 }];

const line = (...points: [iteration: number, second: number][]) => ({
  points: points.map(([iteration, second]): CurvePoint => [iteration, 0.5, second]),
});

test("attemptStarts has the attempts after the first one that have begun", () => {
  expect(attemptStarts(ATTEMPTS)).toEqual([{ number: 2, at: 200 }]);
});

test("an attempt has a mark at the first iteration that it measured, in any curve", () => {
  const lines = [line([1, 110], [2, 120], [4, 220]), line([1, 111], [3, 210], [4, 221])];
  const marks = attemptMarks(attemptStarts(ATTEMPTS), lines, null);
  expect(marks).toEqual([{ position: 3, label: "attempt 2" }]);
  expect(describeMarks(marks, "step")).toBe("; attempt 2 begins at step 3");
});

test("an attempt that measured nothing has a mark over the time only", () => {
  const starts = [
    { number: 2, at: 200 },
    { number: 3, at: 300 },
  ];
  const lines = [line([1, 110], [2, 310])];
  expect(attemptMarks(starts, lines, null)).toEqual([{ position: 2, label: "attempt 3" }]);
  expect(attemptMarks(starts, lines, 100).map(({ position }) => position)).toEqual([100, 200]);
});
