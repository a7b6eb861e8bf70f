/**
 * What the plugin answers under `/dlaas/api`, and nothing else: the browser talks to Airflow's own API server only.
 *
 * Times are ISO-8601 in UTC. A refusal is `{detail: string}` with 401, 403, 404 or 502.
 */

export type State = "pending" | "running" | "completed" | "error" | "canceled";

/** A task instance, as Airflow names it. */
export interface TaskRef {
  dag_id: string;
  run_id: string;
  task_id: string;
  /** -1 where the task is not mapped. */
  map_index: number;
}

/** A training as lists show it. */
export interface Outline {
  ref: TaskRef;
  /** The id of the Airflow connection to the service. */
  connection: string;
  /** null: not submitted yet. */
  id: string | null;
  /** null: not submitted yet, or, where there is an id, nothing is heard of it now. */
  state: State | null;
  /** queued, preparing, loading, processing or storing; null at the end. */
  phase: string | null;
  name: string;
  /** As the definition has it: "tensorflow 2.21". */
  framework: string;
  /** What really runs it, in words. */
  runtime: string | null;
  /** small, medium or large. */
  resource_type: string;
  submitted_at: string | null;
  running_at: string | null;
  finished_at: string | null;
  /** How many trainings start before it, where it waits for GPUs. */
  queue_position: number | null;
  gpus: string[];
  /** The last value of each metric, "phase/name" where there is a phase. */
  metrics: Record<string, number>;
  /** Options on the command line: `--learningRate 0.001`. */
  parameters: Record<string, string>;
  /** "service": as the service tells it now. "task": what the task stored when it ended. */
  source: "service" | "task";
}

export interface PhaseTime {
  phase: string;
  since: string;
  until: string | null;
}

export interface GpuUse {
  name: string;
  /** Percent. */
  utilization: number | null;
  memory_used: number | null;
  memory_total: number | null;
}

/** What a training's processes use, at one moment; bytes and percent of one core. */
export interface Usage {
  at: string;
  memory_bytes: number | null;
  cpu_percent: number | null;
  gpus: GpuUse[];
}

/** A training, whole. */
export interface Training extends Outline {
  description: string;
  message: string | null;
  errors: { code: string; message: string }[];
  phases: PhaseTime[];
  usage: Usage | null;
  isolation: string | null;
  cancel_requested: boolean;
  /** The training definition; secrets are not in it. */
  definition: unknown;
  results: { container: string; location: string } | null;
  /** The folder in the results below which TensorBoard finds event files. */
  event_folder: string | null;
  /** The site's TensorBoard about this training. */
  tensorboard: string | null;
}

/** One of the trainings that a task instance has had: a try each, or a clear. */
export interface Try {
  id: string;
  state: State;
  submitted_at: string;
  /** Whether it is the one that the task is about now. */
  current: boolean;
}

export interface TaskView {
  ref: TaskRef;
  task: { state: string | null; operator: string | null; try_number: number; max_tries: number };
  /** Newest first. */
  tries: Try[];
  /** The one that was asked for, or the current one; null where the task has none yet. */
  training: Training | null;
  may_cancel: boolean;
  /** Why the service can't be asked now, in a sentence. */
  trouble: string | null;
}

/** [iteration, value, seconds since the epoch] */
export type Point = [number, number, number];

export interface Series {
  name: string;
  /** "train", "validation", or "" where nobody said. */
  phase: string;
  /** Points there are; those given may be fewer. */
  total: number;
  points: Point[];
}

export interface Curves {
  /** Give it back as `unless`; the answer is then `series: null` where nothing has changed. */
  version: string;
  series: Series[] | null;
  /** Whether no more can come. */
  complete: boolean;
}

/** Whole lines of a log, between two bytes of it. */
export interface LogPiece {
  text: string;
  start: number;
  end: number;
  size: number;
  /** Whether the log has ended, and this is its last piece. */
  complete: boolean;
}

export interface LogMatches {
  matches: { start: number; line: string }[];
  /** Where to go on looking; null where all was looked through. */
  next: number | null;
}

export interface Listing {
  /** Newest first. */
  trainings: Outline[];
  /** A sentence for each service that can't be asked now. */
  trouble: string[];
}
