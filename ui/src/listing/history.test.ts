import { describe, expect, test } from "vitest";

import { historyLines, runTime, trend } from "./history";
import { anOutline, nightly } from "./samples";

const values = (trainings: ReturnType<typeof nightly>[]): Record<string, number[]> =>
  Object.fromEntries(
    historyLines(trainings, "accuracy", "up").map((line) => [
      `${line.task_id} ${line.map_index}`,
      line.points.map((point) => point.value),
    ]),
  );

describe("the history of a metric", () => {
  test("a line goes from the oldest run to the newest, however they arrive", () => {
    expect(values([nightly(3, 0.9), nightly(1, 0.7), nightly(2, 0.8)])).toEqual({ "train -1": [0.7, 0.8, 0.9] });
  });

  test("only what completed has a final value", () => {
    expect(values([nightly(2, 0.1, { state: "error" }), nightly(1, 0.7)])).toEqual({ "train -1": [0.7] });
  });

  test("of a task instance's trainings the newest counts", () => {
    const again = nightly(1, 0.9, { id: "again", submitted_at: "2026-11-20T00:00:00Z" });
    expect(values([again, nightly(1, 0.7)])).toEqual({ "train -1": [0.9] });
  });

  test("a mapped task has the best of each run ahead of its instances", () => {
    const at = (day: number, value: number, map_index: number) => nightly(day, value, { ref: { map_index } });
    expect(values([at(2, 0.5, 1), at(2, 0.6, 0), at(1, 0.4, 1), at(1, 0.3, 0)])).toEqual({
      "train best": [0.4, 0.6],
      "train 0": [0.3, 0.6],
      "train 1": [0.4, 0.5],
    });
  });

  test("a run keeps its place when it is cleared and trained anew", () => {
    const cleared = nightly(1, 0.7, { submitted_at: "2026-11-25T12:00:00Z" });
    expect(runTime(cleared)).toBe(Date.parse("2026-11-01T02:00:00Z"));
    expect(runTime(anOutline({ ref: { run_id: "by hand" } }))).toBe(Date.parse("2026-11-25T02:00:00Z"));
  });
});

describe("the trend in words", () => {
  const said = (direction: "up" | "down", ...finals: number[]): string => {
    const [line] = historyLines(
      finals.map((value, day) => nightly(day + 1, value)),
      "accuracy",
      direction,
    );
    return trend(line ?? { task_id: "train", map_index: -1, points: [] }, direction);
  };

  test("compares with the last run", () => {
    expect(said("up", 0.8, 0.88)).toBe("10\u00a0% better than the last run.");
    expect(said("down", 0.8, 0.88)).toBe("10\u00a0% worse than the last run.");
  });

  test("compares with the best of the runs before, too", () => {
    expect(said("up", 0.9, 0.7, 0.8)).toBe(
      "14\u00a0% better than the last run; 11\u00a0% worse than the best of the last 2.",
    );
    expect(said("up", 0.7, 0.8, 0.88)).toBe("10\u00a0% better than the last run; the best of 3 runs.");
    expect(said("up", 0.9, 0.75, 0.9)).toBe("20\u00a0% better than the last run; as good as the best of the last 2.");
  });

  test("looks back ten runs, no further", () => {
    expect(said("up", 0.99, ...Array.from({ length: 10 }, () => 0.5), 0.6)).toContain("the best of 11 runs");
  });

  test("a value that stays is as good; one that hardly moves is not rounded to nothing", () => {
    expect(said("up", 0.5, 0.5)).toBe("As good as the last run.");
    expect(said("up", 0.5, 0.50001)).toBe("Less than 0.1\u00a0% better than the last run.");
  });

  test("away from zero there is no percentage, but still a direction", () => {
    expect(said("down", 0, 0.1)).toBe("Worse than the last run.");
  });

  test("one run, or none, is said to be so", () => {
    expect(said("up", 0.5)).toMatch(/first run/);
    expect(said("up")).toMatch(/No run has completed/);
  });
});
