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
  /** Iterations of all lines, ascending. */
  iterations: number[];
  /** For each line a value at each iteration; undefined where it has none. */
  values: (number | undefined)[][];
}

/**
 * Put *lines* on one axis. *smoothing*, from 0 (none) to below 1, is the weight of the earlier values in an exponential
 * moving average without bias at its start. On a logarithmic axis, values that are not positive are left out.
 */
export function buildChartData(lines: readonly CurveLine[], smoothing: number, logarithmic: boolean): ChartData {
  const iterations = [...new Set(lines.flatMap((line) => line.points.map(([iteration]) => iteration)))];
  iterations.sort((one, other) => one - other);
  const indexOf = new Map(iterations.map((iteration, index) => [iteration, index]));
  const values = lines.map(({ points }) => {
    const row = new Array<number | undefined>(iterations.length).fill(undefined);
    for (const [iteration, value] of smoothPoints(points, smoothing)) {
      if (Number.isFinite(value) && !(logarithmic && value <= 0))
        row[indexOf.get(iteration) ?? 0] = value;
    }
    return row;
  });
  return { iterations, values };
}

function smoothPoints(points: readonly CurvePoint[], smoothing: number): [number, number][] {
  let [sum, weight] = [0, 0];
  return points.map(([iteration, sent]) => {
    const value = toNumber(sent);
    if (smoothing === 0 || !Number.isFinite(value)) return [iteration, value];
    sum = smoothing * sum + (1 - smoothing) * value;
    weight = smoothing * weight + (1 - smoothing);
    return [iteration, sum / weight];
  });
}
