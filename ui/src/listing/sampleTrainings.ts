/** Trainings for tests. */

import type { TrainingListItem } from "../api/types";
import type { MetricNumber } from "../shared/metricNumber";

type Fields = Partial<Omit<TrainingListItem, "ref">> & { ref?: Partial<TrainingListItem["ref"]> };

/** A completed training of the DAG `nightly`, with *fields* replaced. */
export function sampleTraining(fields: Fields = {}): TrainingListItem {
  return {
    connection: "dlaas_default",
    id: "training-1",
    state: "completed",
    phase: null,
    attempt: null,
    max_attempts: null,
    name: "digits",
    framework: "tensorflow 2.21",
    runtime: null,
    resource_type: "small",
    requested_gpus: 1,
    submitted_at: "2026-11-25T02:00:00Z",
    running_at: "2026-11-25T02:01:00Z",
    finished_at: "2026-11-25T02:11:00Z",
    queue_position: null,
    gpus: [],
    metrics: {},
    progress_metrics: [],
    note: "",
    tags: [],
    parameters: {},
    source: "service",
    ...fields,
    ref: { dag_id: "nightly", run_id: "manual__1", task_id: "train", map_index: -1, ...fields.ref },
  };
}

/** The training of the run on *day* of November, with *accuracy* as its final metric. */
export function sampleNightlyTraining(day: number, accuracy: MetricNumber, fields: Fields = {}): TrainingListItem {
  const date = `2026-11-${String(day).padStart(2, "0")}`;
  return sampleTraining({
    id: `training-${day}-${fields.ref?.map_index ?? -1}`,
    submitted_at: `${date}T02:00:05Z`,
    metrics: { accuracy },
    ...fields,
    ref: { run_id: `scheduled__${date}T02:00:00+00:00`, ...fields.ref },
  });
}
