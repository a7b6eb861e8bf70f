/** A metric's final values over a DAG's runs: a line for each task instance, and its trend in words. */

import type { TrainingListItem } from "../api/types";
import { formatNumber } from "../shared/format";
import { improvement, bestValue, isBetter, type Direction } from "./metricDirection";
import { metricValue, taskInstanceKey, parseTime, taskLabel } from "./trainingFields";

export interface HistoryPoint {
  /** The time of the run (see `runTime`), in milliseconds since the epoch. */
  at: number;
  /** NaN or an infinity where the training diverged. */
  value: number;
  training: TrainingListItem;
}

export interface HistoryLine {
  task_id: string;
  /** -1 where the task is not mapped; "best" for the best of each run's mapped instances. */
  map_index: number | "best";
  /** Oldest first. */
  points: HistoryPoint[];
  /** The trainings that diverged, oldest first: their value is NaN or an infinity. Those of all instances for "best". */
  diverged: HistoryPoint[];
}

/**
 * The time of a run, in milliseconds since the epoch: the one in its id ("scheduled__2026-11-25T02:00:00+00:00"), so
 * that an old run stays in its place when it is cleared; else the time at which the training was submitted.
 */
export function runTime({ ref, submitted_at }: TrainingListItem): number | null {
  const timeInId = /__(\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d)?)/.exec(ref.run_id);
  return parseTime(timeInId?.[1] ?? null) ?? parseTime(submitted_at);
}

export function historyLineLabel(line: Pick<HistoryLine, "task_id" | "map_index">): string {
  return line.map_index === "best"
    ? `${line.task_id} (best of each run)`
    : taskLabel({ task_id: line.task_id, map_index: line.map_index });
}

/** One point for each task instance: that of its newest training. *trainings* are ordered newest first. */
function finalPoints(trainings: readonly TrainingListItem[], metric: string): HistoryPoint[] {
  const seen = new Set<string>();
  const points: HistoryPoint[] = [];
  for (const training of trainings) {
    const [value, at, instance] = [metricValue(training, metric), runTime(training), taskInstanceKey(training.ref)];
    if (training.state !== "completed" || seen.has(instance)) continue;
    seen.add(instance);
    if (value !== null && at !== null) points.push({ at, value, training });
  }
  return points.sort((one, other) => one.at - other.at);
}

function groupBy<Value>(all: readonly Value[], by: (one: Value) => string): Value[][] {
  const groups = new Map<string, Value[]>();
  for (const one of all) {
    const group = groups.get(by(one));
    if (group) group.push(one);
    else groups.set(by(one), [one]);
  }
  return [...groups.values()];
}

const divergedOf = (points: readonly HistoryPoint[]): HistoryPoint[] =>
  points.filter(({ value }) => !Number.isFinite(value));

function historyLine(task_id: string, map_index: HistoryLine["map_index"], points: HistoryPoint[]): HistoryLine {
  return { task_id, map_index, points, diverged: divergedOf(points) };
}

/**
 * The lines of *metric*, from completed trainings only: the last value of one that failed or still runs is not final.
 * A mapped task has one more line, for the best value of each run, before those of its instances.
 */
export function historyLines(
  trainings: readonly TrainingListItem[],
  metric: string,
  direction: Direction,
): HistoryLine[] {
  return groupBy(finalPoints(trainings, metric), (point) => point.training.ref.task_id).flatMap((ofTask) => {
    const task_id = ofTask[0]?.training.ref.task_id ?? "";
    const lines: HistoryLine[] = groupBy(ofTask, (point) => String(point.training.ref.map_index))
      .map((points) => historyLine(task_id, points[0]?.training.ref.map_index ?? -1, points))
      .sort((one, other) => Number(one.map_index) - Number(other.map_index));
    if (lines.every((line) => line.map_index === -1)) return lines;
    const runs = groupBy(ofTask, (point) => point.training.ref.run_id);
    const points = runs.map((run) => run.reduce((a, b) => (isBetter(b.value, a.value, direction) ? b : a)));
    return [{ ...historyLine(task_id, "best", points), diverged: divergedOf(ofTask) }, ...lines];
  });
}

/** The number of earlier runs that the newest one is compared with. */
const COMPARED_RUNS = 10;

/** "1.2 %", with a space that does not break; null where the values are equal, or *from* is 0. */
function percentChange(value: number, from: number): string | null {
  if (value === from || from === 0) return null;
  const change = (Math.abs(value - from) / Math.abs(from)) * 100;
  return `${change < 0.1 ? "less than 0.1" : Number(change.toPrecision(2))}\u00a0%`;
}

/**
 * Compare the newest value of *line* with the run before it, and with the best of up to ten runs before it. Runs that
 * diverged are not compared with.
 */
export function describeTrend(line: Pick<HistoryLine, "points">, direction: Direction): string {
  const values = line.points.map((point) => point.value);
  const now = values.at(-1);
  if (now === undefined) return "No run has completed with this metric yet.";
  if (!Number.isFinite(now)) return `The newest run diverged: its value is ${formatNumber(now)}.`;
  const before = values.slice(0, -1).filter(Number.isFinite).slice(-COMPARED_RUNS);
  const last = before.at(-1);
  const top = bestValue(before, direction);
  if (last === undefined || top === null)
    return values.length === 1 ? "This is the first run with this metric." : "All runs before it diverged.";
  const gain = improvement(now, last, direction);
  const word = gain > 0 ? "better than" : gain < 0 ? "worse than" : "as good as";
  const amount = percentChange(now, last);
  const lastRun = Number.isFinite(values.at(-2)) ? "the last run" : "the last run that did not diverge";
  const first = `${amount === null ? "" : `${amount} `}${word} ${lastRun}`;
  const whole = before.length === 1 ? "" : `; ${compareWithBest(now, top, before.length, direction)}`;
  return `${(first + whole).replace(/^[a-z]/, (letter) => letter.toUpperCase())}.`;
}

function compareWithBest(now: number, bestBefore: number, count: number, direction: Direction): string {
  const gain = improvement(now, bestBefore, direction);
  if (gain > 0) return `the best of ${count + 1} runs`;
  if (gain === 0) return `as good as the best of the last ${count}`;
  const amount = percentChange(now, bestBefore);
  return `${amount === null ? "" : `${amount} `}worse than the best of the last ${count}`;
}
