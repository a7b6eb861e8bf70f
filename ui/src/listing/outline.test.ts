import { expect, test } from "vitest";

import { duration, keyOf, parametersIn, runLabel, taskLabel } from "./outline";
import { anOutline } from "./samples";

const at = Date.parse("2026-11-25T02:05:00Z");

test("a training that runs has run until now, one that ended until its end", () => {
  expect(duration(anOutline({ state: "running", finished_at: null }), at)).toBe(4 * 60_000);
  expect(duration(anOutline(), at)).toBe(10 * 60_000);
});

test("waiting is no running", () => {
  expect(duration(anOutline({ state: "pending", running_at: null, finished_at: null }), at)).toBeNull();
  expect(duration(anOutline({ state: "canceled", running_at: null }), at)).toBeNull();
});

test("trainings of two services, and tasks without one yet, are told apart", () => {
  const keys = [
    anOutline({ id: "1", connection: "east" }),
    anOutline({ id: "1", connection: "west" }),
    anOutline({ id: null }),
    anOutline({ id: null, ref: { map_index: 1 } }),
  ].map(keyOf);
  expect(new Set(keys).size).toBe(4);
});

test("labels name the mapped instance and the parameters that matter", () => {
  expect(taskLabel({ task_id: "train", map_index: 3 })).toBe("train [3]");
  expect(taskLabel({ task_id: "train", map_index: -1 })).toBe("train");
  expect(parametersIn(anOutline({ parameters: { rate: "0.1", epochs: "3" } }), ["rate", "batch"])).toBe("rate 0.1");
});

test("a run's id is said in short where Airflow made it, and as it is where a person did", () => {
  expect(runLabel("scheduled__2026-11-25T02:00:00+00:00")).toBe("scheduled 2026-11-25 02:00");
  expect(runLabel("manual__2026-11-25T02:00:07.123456+00:00_aB3")).toBe("manual 2026-11-25 02:00_aB3");
  expect(runLabel("scheduled__2026-11-25T02:00:00+05:30")).toBe("scheduled__2026-11-25T02:00:00+05:30");
  expect(runLabel("after the fix")).toBe("after the fix");
});
