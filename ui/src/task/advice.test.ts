import { expect, test } from "vitest";

import type { TrainingState } from "../api/types";
import { adviceFor } from "./advice";

const advice = (state: string, training: TrainingState, operator = "TrainModelOperator", cancel_requested = false) =>
  adviceFor({ state, operator }, { state: training, cancel_requested });

test("a completed training under a failed task is used again after a clear", () => {
  expect(advice("failed", "completed")).toMatch(/Clear the task: it takes the result .* trains nothing anew, as long as/);
});

test("the advice about a clear depends on the operator", () => {
  expect(advice("failed", "completed", "SubmitTrainingOperator")).toContain("Clearing the task trains anew");
  expect(advice("failed", "completed", "TrainingSensor")).toContain("it takes the result of this training.");
});

test("a completed training under a task that is tried again is used by the next try", () => {
  expect(advice("up_for_retry", "completed")).toContain("The next try takes the result of this training");
  expect(advice("up_for_retry", "error")).toContain("about to try the task again");
});

test("a training that runs on under a failed task is to be canceled, unless it is about to be or is a sensor's", () => {
  expect(advice("failed", "running")).toContain("Cancel the training, or clear the task");
  expect(advice("failed", "running", "TrainModelOperator", true)).toBeNull();
  expect(advice("failed", "running", "TrainingSensor")).toBeNull();
});

test("there is no advice where task and training have ended alike", () => {
  expect(advice("success", "completed")).toBeNull();
  expect(advice("failed", "error")).toBeNull();
  expect(advice("running", "running")).toBeNull();
});
