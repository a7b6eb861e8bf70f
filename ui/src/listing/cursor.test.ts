import { expect, test } from "vitest";

import { grid, pointAt, stepped } from "./cursor";
import { historyLines } from "./history";
import { nightly } from "./samples";

const other = { ref: { task_id: "warm_up" } };
const lines = historyLines(
  [nightly(3, 0.9), nightly(1, 0.7), nightly(3, 0.4, other), nightly(2, 0.3, other)],
  "accuracy",
  "up",
);
const drawn = grid(lines);
const value = (line: number, time: number) => pointAt(drawn, { line, time })?.value ?? null;

test("all lines share their times, with gaps where a line has no run", () => {
  expect(drawn.times).toHaveLength(3);
  expect(drawn.rows.map((row, line) => row.map((_, time) => value(line, time)))).toEqual(
    lines.map((line) => (line.task_id === "train" ? [0.7, null, 0.9] : [null, 0.3, 0.4])),
  );
});

test("arrow keys go from point to point, over gaps, and stay at the ends", () => {
  const train = lines.findIndex((line) => line.task_id === "train");
  const end = { line: train, time: 2 };
  expect(stepped(drawn, end, "ArrowLeft")).toEqual({ line: train, time: 0 });
  expect(stepped(drawn, end, "ArrowRight")).toEqual(end);
  expect(stepped(drawn, end, "Tab")).toEqual(end);
});

test("up and down change the line, and the first key goes to the newest point", () => {
  expect(stepped(drawn, { line: 0, time: 2 }, "ArrowDown")).toEqual({ line: 1, time: 2 });
  expect(stepped(drawn, { line: 0, time: 2 }, "ArrowUp")).toEqual({ line: 0, time: 2 });
  expect(stepped(drawn, null, "ArrowLeft")).toEqual({ line: 0, time: 2 });
  expect(stepped(grid([]), null, "ArrowLeft")).toBeNull();
});
