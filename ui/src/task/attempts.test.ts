import { expect, test } from "vitest";

import type { AttemptReport, TrainingDetail } from "../api/types";
import {
  attemptRows,
  attemptsBeforeFailure,
  attemptText,
  beginning,
  checkpointText,
  earlierTrainingId,
} from "./attempts";
import { sampleTrainingDetail } from "./sampleTrainingDetail";

const NOW = Date.parse("2026-11-25T02:20:00Z");

const LOST: AttemptReport = {
  number: 1,
  started_at: "2026-11-25T02:00:00Z",
  ended_at: "2026-11-25T02:10:00Z",
  code: "S301",
  reason: "the learner was lost",
};
const SECOND: AttemptReport = {
  number: 2,
  started_at: "2026-11-25T02:15:00Z",
  resumed_from: { training_id: "training-1", attempt: 1, number: 7 },
};

test.each([
  [null, null, null],
  [1, null, null],
  [1, 1, null],
  [1, 3, "Attempt 1 of 3"],
  [2, 3, "Attempt 2 of 3"],
  [2, null, "Attempt 2"],
])("attemptText of attempt %s of %s", (attempt, max_attempts, text) => {
  expect(attemptText({ attempt, max_attempts })).toBe(text);
});

test("a failure names the attempts where there was more than one", () => {
  const ofAttempt = (attempt: number | null) => attemptsBeforeFailure({ attempt, max_attempts: 3 });
  expect([null, 1, 3].map(ofAttempt)).toEqual([null, null, "The training failed after 3 attempts."]);
});

test("checkpointText has the attempt where there are several, and the time instead of an age after the end", () => {
  const checkpoint = { attempt: 1, number: 7, stored_at: "2026-11-25T02:18:00Z", files: 3, bytes: 64 * 1024 ** 2 };
  expect(checkpointText(checkpoint, 0, NOW)).toBe("checkpoint 7 · 3 files, 64.0 MiB · 2 min ago");
  expect(checkpointText({ ...checkpoint, files: 1 }, 2, NOW)).toContain("checkpoint 7 of attempt 1 · 1 file,");
  expect(checkpointText(checkpoint, 0, null)).toContain(" · 25 Nov 2026, ");
});

const rows = (fields: Partial<TrainingDetail>) => attemptRows(sampleTrainingDetail(fields), NOW);

test("a training with one attempt has no rows", () => {
  expect(rows({})).toEqual([]);
});

test("attemptRows have the checkpoint, the duration and the end of each attempt", () => {
  expect(rows({ attempt: 2, attempts: [LOST, SECOND] })).toEqual([
    { number: 1, began: null, started: LOST.started_at, duration: "10 min 0 s", end: "S301: the learner was lost" },
    {
      number: 2,
      began: { trainingId: null, checkpoint: "checkpoint 7 of attempt 1" },
      started: SECOND.started_at,
      duration: "5 min 0 s",
      end: "processing",
    },
  ]);
});

test("an attempt that has not started waits for GPUs", () => {
  const [, waiting] = rows({ phase: "recovering", attempt: 2, attempts: [LOST, { number: 2 }] });
  expect(waiting).toEqual({ number: 2, began: null, started: null, duration: null, end: "waits for GPUs" });
});

test("the last attempt ends as the training", () => {
  const finished_at = "2026-11-25T02:16:00Z";
  const ends = (state: TrainingDetail["state"], last: AttemptReport) =>
    rows({ state, finished_at, attempts: [LOST, last] }).map(({ duration, end }) => [duration, end])[1];
  expect(ends("completed", { ...SECOND, exit_code: 0 })).toEqual(["1 min 0 s", "completed"]);
  expect(ends("error", { ...SECOND, code: "C201", reason: "the command exited with 75", exit_code: 75 })).toEqual([
    "1 min 0 s",
    "C201: the command exited with 75",
  ]);
  expect(ends("error", { ...SECOND, code: "C201", reason: "the command failed", exit_code: 75 })?.[1]).toBe(
    "C201: the command failed (exit code 75)",
  );
});

test("a checkpoint of another training has its id", () => {
  const resumed = { training_id: "training-0", attempt: 1, number: 3 };
  const training = sampleTrainingDetail({ attempts: [{ ...LOST, resumed_from: resumed }, SECOND] });
  expect(beginning(resumed, training)).toEqual({ trainingId: "training-0", checkpoint: "checkpoint 3" });
  expect(earlierTrainingId(training)).toBe("training-0");
  expect(earlierTrainingId(sampleTrainingDetail({ resumed_from: resumed }))).toBe("training-0");
  expect(earlierTrainingId(sampleTrainingDetail({ attempts: [LOST, SECOND] }))).toBeNull();
});
