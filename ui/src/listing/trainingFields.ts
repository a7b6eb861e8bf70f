/** Values derived from the fields of a training: keys, labels, times. */

import type { TrainingListItem, TaskInstanceRef } from "../api/types";
import { toNumber } from "../shared/metricNumber";

/** A unique key of a training, also of one that is not submitted yet. */
export function trainingKey(training: TrainingListItem): string {
  return training.id === null ? taskInstanceKey(training.ref) : `${training.connection}/${training.id}`;
}

/** A unique key of a task instance: its parts can't contain a line break. */
export function taskInstanceKey(ref: TaskInstanceRef): string {
  return [ref.dag_id, ref.run_id, ref.task_id, ref.map_index].join("\n");
}

/** "train", or "train [3]" for the fourth of a mapped task. */
export function taskLabel(ref: Pick<TaskInstanceRef, "task_id" | "map_index">): string {
  return ref.map_index < 0 ? ref.task_id : `${ref.task_id} [${ref.map_index}]`;
}

/** "scheduled 2026-11-25 02:00" for run ids that Airflow made, with times in UTC; other ids unchanged. */
export function runLabel(run_id: string): string {
  return run_id.replace(/^([a-z_]+?)__(\d{4}-\d\d-\d\d)T(\d\d:\d\d):[\d.]+(?:\+00:00|Z)/, "$1 $2 $3");
}

export function isFinal(training: TrainingListItem): boolean {
  return training.state === "completed" || training.state === "error" || training.state === "canceled";
}

/** Milliseconds since the epoch; null where *time* is missing or not valid. */
export function parseTime(time: string | null): number | null {
  const parsed = time === null ? NaN : Date.parse(time);
  return Number.isFinite(parsed) ? parsed : null;
}

/**
 * How long a training has run, in milliseconds: until its end, or until *now*. Waiting time does not count; null where
 * the training did not begin to run.
 */
export function runDuration(training: TrainingListItem, now: number): number | null {
  const begin = parseTime(training.running_at);
  const end = isFinal(training) ? parseTime(training.finished_at) : now;
  return begin === null || end === null ? null : Math.max(0, end - begin);
}

/** How long a training takes with its waiting time, in milliseconds: from the submission to its end, or to *now*. */
export function totalDuration(training: TrainingListItem, now: number): number | null {
  const begin = parseTime(training.submitted_at);
  const end = isFinal(training) ? parseTime(training.finished_at) : now;
  return begin === null || end === null ? null : Math.max(0, end - begin);
}

/** The value of *metric*, also NaN or an infinity; null where the training has none. */
export function metricValue(training: TrainingListItem, metric: string): number | null {
  const value = training.metrics[metric];
  return value === undefined ? null : toNumber(value);
}

/** The part of an id that differs between trainings: "a7Qx01bcd" of "training-a7Qx01bcd". */
export function shortId(id: string): string {
  return id.replace(/^training-(?=.)/, "");
}

/** Whether nothing is known of a training but its id, because the service does not answer. */
export function isUnknown(training: TrainingListItem): boolean {
  return training.state === null && training.id !== null;
}

/** "learningRate 0.01, batch 64": those of *names* that the training has. */
export function formatParameters(training: TrainingListItem, names: readonly string[]): string {
  return names
    .filter((name) => name in training.parameters)
    .map((name) => `${name} ${training.parameters[name]}`)
    .join(", ");
}
