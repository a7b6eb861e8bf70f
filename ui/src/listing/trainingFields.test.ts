import { expect, test } from "vitest";

import { runDuration, trainingKey, formatParameters, runLabel, taskLabel } from "./trainingFields";
import { sampleTraining } from "./sampleTrainings";

const at = Date.parse("2026-11-25T02:05:00Z");

test("runDuration lasts until now for a running training, and until the end for a final one", () => {
  expect(runDuration(sampleTraining({ state: "running", finished_at: null }), at)).toBe(4 * 60_000);
  expect(runDuration(sampleTraining(), at)).toBe(10 * 60_000);
});

test("runDuration is null for a training that did not begin to run", () => {
  expect(runDuration(sampleTraining({ state: "pending", running_at: null, finished_at: null }), at)).toBeNull();
  expect(runDuration(sampleTraining({ state: "canceled", running_at: null }), at)).toBeNull();
});

test("trainingKey distinguishes services, and tasks without a training", () => {
  const keys = [
    sampleTraining({ id: "1", connection: "east" }),
    sampleTraining({ id: "1", connection: "west" }),
    sampleTraining({ id: null }),
    sampleTraining({ id: null, ref: { map_index: 1 } }),
  ].map(trainingKey);
  expect(new Set(keys).size).toBe(4);
});

test("labels name the mapped instance and the given parameters", () => {
  expect(taskLabel({ task_id: "train", map_index: 3 })).toBe("train [3]");
  expect(taskLabel({ task_id: "train", map_index: -1 })).toBe("train");
  expect(formatParameters(sampleTraining({ parameters: { rate: "0.1", epochs: "3" } }), ["rate", "batch"])).toBe(
    "rate 0.1",
  );
});

test("runLabel shortens ids that Airflow made, and keeps others", () => {
  expect(runLabel("scheduled__2026-11-25T02:00:00+00:00")).toBe("scheduled 2026-11-25 02:00");
  expect(runLabel("manual__2026-11-25T02:00:07.123456+00:00_aB3")).toBe("manual 2026-11-25 02:00_aB3");
  expect(runLabel("scheduled__2026-11-25T02:00:00+05:30")).toBe("scheduled__2026-11-25T02:00:00+05:30");
  expect(runLabel("after the fix")).toBe("after the fix");
});
