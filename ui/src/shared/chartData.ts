/** Curves as the numbers that a chart draws. */

import type { CurveSeries } from "../api/types";
import { toNumber } from "./metricNumber";

/** Iteration; value; seconds since the epoch. */
export type CurvePoint = CurveSeries["points"][number];

export interface CurveLine {
  key: string;
  label: string;
  /** The colour slot. */
  slot: number;
  points: readonly CurvePoint[];
}

export interface ChartData {
  /** Iterations of all lines, ascending; seconds since the start in a chart over time. */
  iterations: number[];
  /** For each line a value at each iteration: undefined where it has no point, null where its value can't be drawn. */
  values: (number | null | undefined)[][];
  /** For each line its value at each iteration, also one that is not finite or not positive. */
  readings: (number | undefined)[][];
}

/**
 * Put *lines* on one axis. *smoothing*, from 0 (none) to below 1, is the weight of the earlier values in an exponential
 * moving average without bias at its start. On a logarithmic axis, values that are not positive are left out.
 *
 * *start* in seconds since the epoch makes it a chart over the time since then, instead of iterations.
 */
export function buildChartData(
  lines: readonly CurveLine[],
  smoothing: number,
  logarithmic: boolean,
  start: number | null = null,
): ChartData {
  const positions = lines.map(({ points }) => {
    const row = new Float64Array(points.length);
    points.forEach(([iteration, , at], index) => (row[index] = start === null ? iteration : at - start));
    return row;
  });
  const iterations = mergeSorted(positions);
  const values: ChartData["values"] = [];
  const readings: ChartData["readings"] = [];
  lines.forEach(({ points }, line) => {
    const drawn = new Array<number | null | undefined>(iterations.length).fill(undefined);
    const read = new Array<number | undefined>(iterations.length).fill(undefined);
    const row = positions[line] ?? [];
    let at = 0;
    smoothValues(points, smoothing).forEach((value, index) => {
      const position = row[index] ?? 0;
      if ((iterations[at] ?? Infinity) > position) at = 0; // a training that went back to an earlier iteration
      at = indexFrom(iterations, position, at);
      read[at] = value;
      drawn[at] = Number.isFinite(value) && !(logarithmic && value <= 0) ? value : null;
    });
    values.push(drawn);
    readings.push(read);
  });
  return { iterations, values, readings };
}

/** All numbers of *rows*, ascending, each once. */
function mergeSorted(rows: readonly Float64Array[]): number[] {
  const all = new Float64Array(rows.reduce((length, row) => length + row.length, 0));
  let length = 0;
  for (const row of rows) {
    all.set(row, length);
    length += row.length;
  }
  all.sort();
  const merged: number[] = [];
  for (const one of all) if (merged.length === 0 || one !== merged[merged.length - 1]) merged.push(one);
  return merged;
}

/** The index of *value* in the ascending *sorted*, which has it, at *from* or later: near *from* in most cases. */
function indexFrom(sorted: readonly number[], value: number, from: number): number {
  let [low, step] = [from, 1];
  while ((sorted[low + step] ?? Infinity) <= value) {
    low += step;
    step *= 2;
  }
  let high = Math.min(low + step, sorted.length - 1);
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((sorted[middle] ?? Infinity) <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}

function smoothValues(points: readonly CurvePoint[], smoothing: number): number[] {
  let [sum, weight] = [0, 0];
  return points.map(([, sent]) => {
    const value = toNumber(sent);
    if (smoothing === 0 || !Number.isFinite(value)) return value;
    sum = smoothing * sum + (1 - smoothing) * value;
    weight = smoothing * weight + (1 - smoothing);
    return sum / weight;
  });
}
