import { describe, expect, test } from "vitest";

import type { MetricNumber } from "../shared/metricNumber";
import { historyLines, runTime, describeTrend } from "./metricHistory";
import { sampleTraining, sampleNightlyTraining } from "./sampleTrainings";

const values = (trainings: ReturnType<typeof sampleNightlyTraining>[]): Record<string, number[]> =>
  Object.fromEntries(
    historyLines(trainings, "accuracy", "up").map((line) => [
      `${line.task_id} ${line.map_index}`,
      line.points.map((point) => point.value),
    ]),
  );

describe("historyLines", () => {
  test("orders the points from the oldest run to the newest", () => {
    expect(
      values([sampleNightlyTraining(3, 0.9), sampleNightlyTraining(1, 0.7), sampleNightlyTraining(2, 0.8)]),
    ).toEqual({ "train -1": [0.7, 0.8, 0.9] });
  });

  test("leaves out trainings that did not complete", () => {
    expect(values([sampleNightlyTraining(2, 0.1, { state: "error" }), sampleNightlyTraining(1, 0.7)])).toEqual({
      "train -1": [0.7],
    });
  });

  test("takes the newest training of a task instance", () => {
    const again = sampleNightlyTraining(1, 0.9, { id: "again", submitted_at: "2026-11-20T00:00:00Z" });
    expect(values([again, sampleNightlyTraining(1, 0.7)])).toEqual({ "train -1": [0.9] });
  });

  test("begins with the best of each run for a mapped task", () => {
    const at = (day: number, value: number, map_index: number) =>
      sampleNightlyTraining(day, value, { ref: { map_index } });
    expect(values([at(2, 0.5, 1), at(2, 0.6, 0), at(1, 0.4, 1), at(1, 0.3, 0)])).toEqual({
      "train best": [0.4, 0.6],
      "train 0": [0.3, 0.6],
      "train 1": [0.4, 0.5],
    });
  });

  test("lists trainings that diverged, and takes none for the best of a run while another is finite", () => {
    for (const direction of ["up", "down"] as const) {
      for (const diverged of ["NaN", "Infinity", "-Infinity"] as const) {
        const at = (day: number, value: MetricNumber, map_index: number) =>
          sampleNightlyTraining(day, value, { ref: { map_index } });
        const [best] = historyLines([at(2, diverged, 1), at(1, diverged, 1), at(1, 0.3, 0)], "accuracy", direction);
        expect(best?.points.map((point) => point.value)).toEqual([0.3, Number(diverged)]);
        expect(best?.diverged.map((point) => point.training.submitted_at?.slice(0, 10))).toEqual([
          "2026-11-01",
          "2026-11-02",
        ]);
      }
    }
  });

  test("keeps the place of a run that was cleared", () => {
    const cleared = sampleNightlyTraining(1, 0.7, { submitted_at: "2026-11-25T12:00:00Z" });
    expect(runTime(cleared)).toBe(Date.parse("2026-11-01T02:00:00Z"));
    expect(runTime(sampleTraining({ ref: { run_id: "by hand" } }))).toBe(Date.parse("2026-11-25T02:00:00Z"));
  });
});

describe("describeTrend", () => {
  const trendOf = (direction: "up" | "down", ...finals: MetricNumber[]): string => {
    const [line] = historyLines(
      finals.map((value, day) => sampleNightlyTraining(day + 1, value)),
      "accuracy",
      direction,
    );
    return describeTrend(line ?? { points: [] }, direction);
  };

  test("compares with the last run", () => {
    expect(trendOf("up", 0.8, 0.88)).toBe("10\u00a0% better than the last run.");
    expect(trendOf("down", 0.8, 0.88)).toBe("10\u00a0% worse than the last run.");
  });

  test("compares with the best of the earlier runs", () => {
    expect(trendOf("up", 0.9, 0.7, 0.8)).toBe(
      "14\u00a0% better than the last run; 11\u00a0% worse than the best of the last 2.",
    );
    expect(trendOf("up", 0.7, 0.8, 0.88)).toBe("10\u00a0% better than the last run; the best of 3 runs.");
    expect(trendOf("up", 0.9, 0.75, 0.9)).toBe(
      "20\u00a0% better than the last run; as good as the best of the last 2.",
    );
  });

  test("compares with ten earlier runs at most", () => {
    expect(trendOf("up", 0.99, ...Array.from({ length: 10 }, () => 0.5), 0.6)).toContain("the best of 11 runs");
  });

  test("reports an equal value, and does not round a small change to zero", () => {
    expect(trendOf("up", 0.5, 0.5)).toBe("As good as the last run.");
    expect(trendOf("up", 0.5, 0.50001)).toBe("Less than 0.1\u00a0% better than the last run.");
  });

  test("reports a change from zero without a percentage", () => {
    expect(trendOf("down", 0, 0.1)).toBe("Worse than the last run.");
  });

  test("reports that the newest run diverged, and compares with runs that did not", () => {
    expect(trendOf("down", 0.5, "NaN")).toBe("The newest run diverged: its value is NaN.");
    expect(trendOf("up", 0.5, "Infinity")).toBe("The newest run diverged: its value is ∞.");
    expect(trendOf("down", "NaN", 0.5)).toBe("All runs before it diverged.");
    expect(trendOf("down", 0.8, "-Infinity", 0.88)).toBe("10\u00a0% worse than the last run that did not diverge.");
  });

  test("reports a first run, and that there is no run", () => {
    expect(trendOf("up", 0.5)).toMatch(/first run/);
    expect(trendOf("up")).toMatch(/No run has completed/);
  });
});
