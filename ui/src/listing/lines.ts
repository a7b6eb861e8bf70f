/** Curves as the numbers that are drawn. */

import type { Point } from "../api";

export interface Line {
  key: string;
  label: string;
  /** Which colour it has. */
  slot: number;
  points: readonly Point[];
}

export interface Drawn {
  /** Iterations of all lines, ascending. */
  iterations: number[];
  /** For each line a value at each iteration; undefined where it has none there. */
  values: (number | undefined)[][];
}

/**
 * *lines* on one axis. Each value is mixed with the ones before it: *smoothing* from 0 (as measured) to below 1, and
 * corrected at the beginning, where there is little to mix with. Values that a logarithm has no place for are left out.
 */
export function drawn(lines: readonly Line[], smoothing: number, logarithmic: boolean): Drawn {
  const iterations = [...new Set(lines.flatMap((line) => line.points.map(([iteration]) => iteration)))];
  iterations.sort((one, other) => one - other);
  const place = new Map(iterations.map((iteration, index) => [iteration, index]));
  const values = lines.map(({ points }) => {
    const row = new Array<number | undefined>(iterations.length).fill(undefined);
    for (const [iteration, value] of smoothed(points, smoothing)) {
      if (Number.isFinite(value) && !(logarithmic && value <= 0)) row[place.get(iteration) ?? 0] = value;
    }
    return row;
  });
  return { iterations, values };
}

function smoothed(points: readonly Point[], smoothing: number): [number, number][] {
  let [sum, weight] = [0, 0];
  return points.map(([iteration, value]) => {
    if (smoothing === 0 || !Number.isFinite(value)) return [iteration, value];
    sum = smoothing * sum + (1 - smoothing) * value;
    weight = smoothing * weight + (1 - smoothing);
    return [iteration, sum / weight];
  });
}
