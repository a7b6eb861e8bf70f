import { expect, test } from "vitest";

import { buildChartGrid, pointAt, nextPosition } from "./chartGrid";
import { historyLines } from "./metricHistory";
import { sampleNightlyTraining } from "./sampleTrainings";

const other = { ref: { task_id: "warm_up" } };
const lines = historyLines(
  [
    sampleNightlyTraining(3, 0.9),
    sampleNightlyTraining(1, 0.7),
    sampleNightlyTraining(3, 0.4, other),
    sampleNightlyTraining(2, 0.3, other),
  ],
  "accuracy",
  "up",
);
const drawn = buildChartGrid(lines);
const value = (line: number, time: number) => pointAt(drawn, { line, time })?.value ?? null;

test("buildChartGrid puts all lines on the same times, with gaps", () => {
  expect(drawn.times).toHaveLength(3);
  expect(drawn.rows.map((row, line) => row.map((_, time) => value(line, time)))).toEqual(
    lines.map((line) => (line.task_id === "train" ? [0.7, null, 0.9] : [null, 0.3, 0.4])),
  );
});

test("arrow keys skip gaps and stop at the ends", () => {
  const train = lines.findIndex((line) => line.task_id === "train");
  const end = { line: train, time: 2 };
  expect(nextPosition(drawn, end, "ArrowLeft")).toEqual({ line: train, time: 0 });
  expect(nextPosition(drawn, end, "ArrowRight")).toEqual(end);
  expect(nextPosition(drawn, end, "Tab")).toEqual(end);
});

test("up and down change the line, and the first key selects the newest point", () => {
  expect(nextPosition(drawn, { line: 0, time: 2 }, "ArrowDown")).toEqual({ line: 1, time: 2 });
  expect(nextPosition(drawn, { line: 0, time: 2 }, "ArrowUp")).toEqual({ line: 0, time: 2 });
  expect(nextPosition(drawn, null, "ArrowLeft")).toEqual({ line: 0, time: 2 });
  expect(nextPosition(buildChartGrid([]), null, "ArrowLeft")).toBeNull();
});
