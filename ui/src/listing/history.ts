/** A final metric over a DAG's runs: a line for each task instance that comes again, and what it says in words. */

import type { Outline } from "../api";
import { advantage, best, type Direction } from "./direction";
import { instanceOf, moment, taskLabel } from "./outline";

export interface HistoryPoint {
  /** When the run is from; milliseconds since the epoch. */
  at: number;
  value: number;
  training: Outline;
}

export interface HistoryLine {
  task_id: string;
  /** -1 where the task is not mapped; "best" for the best of each run's mapped instances. */
  map_index: number | "best";
  /** Oldest first. */
  points: HistoryPoint[];
}

/**
 * When a run is from: the date in its id, as Airflow names runs ("scheduled__2026-11-25T02:00:00+00:00"), so that
 * clearing an old run leaves it in its place; else when the training was submitted.
 */
export function runTime(one: Outline): number | null {
  const written = /__(\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d)?)/.exec(one.ref.run_id);
  return moment(written?.[1] ?? null) ?? moment(one.submitted_at);
}

export function lineLabel(line: Pick<HistoryLine, "task_id" | "map_index">): string {
  return line.map_index === "best"
    ? `${line.task_id} (best of each run)`
    : taskLabel({ task_id: line.task_id, map_index: line.map_index });
}

/** One point for each task instance: of several trainings the newest, as *trainings* come newest first. */
function finals(trainings: readonly Outline[], metric: string): HistoryPoint[] {
  const seen = new Set<string>();
  const points: HistoryPoint[] = [];
  for (const training of trainings) {
    const [value, at, instance] = [training.metrics[metric], runTime(training), instanceOf(training.ref)];
    if (training.state !== "completed" || seen.has(instance)) continue;
    seen.add(instance);
    if (value !== undefined && Number.isFinite(value) && at !== null) points.push({ at, value, training });
  }
  return points.sort((one, other) => one.at - other.at);
}

function grouped<Value>(all: readonly Value[], by: (one: Value) => string): Value[][] {
  const groups = new Map<string, Value[]>();
  for (const one of all) {
    const group = groups.get(by(one));
    if (group) group.push(one);
    else groups.set(by(one), [one]);
  }
  return [...groups.values()];
}

/**
 * The lines of *metric*. Only completed trainings count: the last value of one that failed or still runs is not final.
 * A mapped task has a line for the best of each run ahead of those of its instances.
 */
export function historyLines(trainings: readonly Outline[], metric: string, direction: Direction): HistoryLine[] {
  return grouped(finals(trainings, metric), (point) => point.training.ref.task_id).flatMap((ofTask) => {
    const task_id = ofTask[0]?.training.ref.task_id ?? "";
    const lines: HistoryLine[] = grouped(ofTask, (point) => String(point.training.ref.map_index))
      .map((points) => ({ task_id, map_index: points[0]?.training.ref.map_index ?? -1, points }))
      .sort((one, other) => one.map_index - other.map_index);
    if (lines.every((line) => line.map_index === -1)) return lines;
    const runs = grouped(ofTask, (point) => point.training.ref.run_id);
    const points = runs.map((run) => run.reduce((a, b) => (advantage(b.value, a.value, direction) > 0 ? b : a)));
    return [{ task_id, map_index: "best" as const, points }, ...lines];
  });
}

/** How many runs before the last one it is compared with. */
const LOOK_BACK = 10;

/** "1.2 %", never parted by a line's end; null where they are equal, or there is no measure because *from* is 0. */
function percent(value: number, from: number): string | null {
  if (value === from || from === 0) return null;
  const change = (Math.abs(value - from) / Math.abs(from)) * 100;
  return `${change < 0.1 ? "less than 0.1" : Number(change.toPrecision(2))}\u00a0%`;
}

/** What *line* says of its newest value: against the run before, and against the best of the last ten before it. */
export function trend(line: HistoryLine, direction: Direction): string {
  const values = line.points.map((point) => point.value);
  const now = values.at(-1);
  if (now === undefined) return "No run has completed with this metric yet.";
  const before = values.slice(-1 - LOOK_BACK, -1);
  const last = before.at(-1);
  const top = best(before, direction);
  if (last === undefined || top === null) return "The first run: there is nothing to compare it with yet.";
  const gain = advantage(now, last, direction);
  const word = gain > 0 ? "better than" : gain < 0 ? "worse than" : "as good as";
  const amount = percent(now, last);
  const first = `${amount === null ? "" : `${amount} `}${word} the last run`;
  const whole = before.length === 1 ? "" : `; ${against(now, top, before.length, direction)}`;
  return `${(first + whole).replace(/^[a-z]/, (letter) => letter.toUpperCase())}.`;
}

function against(now: number, top: number, count: number, direction: Direction): string {
  const gain = advantage(now, top, direction);
  if (gain > 0) return `the best of ${count + 1} runs`;
  if (gain === 0) return `as good as the best of the last ${count}`;
  const amount = percent(now, top);
  return `${amount === null ? "" : `${amount} `}worse than the best of the last ${count}`;
}
