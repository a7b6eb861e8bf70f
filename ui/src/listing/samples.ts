/** Trainings for tests. */

import type { Outline } from "../api";

type Parts = Partial<Omit<Outline, "ref">> & { ref?: Partial<Outline["ref"]> };

/** A training of `nightly`, completed unless *parts* say otherwise. */
export function anOutline(parts: Parts = {}): Outline {
  return {
    connection: "dlaas_default",
    id: "training-1",
    state: "completed",
    phase: null,
    name: "digits",
    framework: "tensorflow 2.21",
    runtime: null,
    resource_type: "small",
    submitted_at: "2026-11-25T02:00:00Z",
    running_at: "2026-11-25T02:01:00Z",
    finished_at: "2026-11-25T02:11:00Z",
    queue_position: null,
    gpus: [],
    metrics: {},
    parameters: {},
    source: "service",
    ...parts,
    ref: { dag_id: "nightly", run_id: "manual__1", task_id: "train", map_index: -1, ...parts.ref },
  };
}

/** The same training on *day* of November, with *value* as its accuracy in the end. */
export function nightly(day: number, value: number, parts: Parts = {}): Outline {
  const date = `2026-11-${String(day).padStart(2, "0")}`;
  return anOutline({
    id: `training-${day}-${parts.ref?.map_index ?? -1}`,
    submitted_at: `${date}T02:00:05Z`,
    metrics: { accuracy: value },
    ...parts,
    ref: { run_id: `scheduled__${date}T02:00:00+00:00`, ...parts.ref },
  });
}
