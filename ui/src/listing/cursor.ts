/** The chart of a metric's history as numbers: what is drawn, and which point is pointed at. */

import type { HistoryLine, HistoryPoint } from "./history";

export interface Grid {
  /** Seconds since the epoch, ascending; the times of all lines. */
  times: number[];
  /** For each line, a point or null at each time. */
  rows: (HistoryPoint | null)[][];
}

export function grid(lines: readonly HistoryLine[]): Grid {
  const times = [...new Set(lines.flatMap((line) => line.points.map((point) => point.at / 1000)))].sort(
    (a, b) => a - b,
  );
  const rows = lines.map((line) => {
    const at = new Map(line.points.map((point) => [point.at / 1000, point]));
    return times.map((time) => at.get(time) ?? null);
  });
  return { times, rows };
}

export interface Spot {
  line: number;
  /** Of `Grid.times`. */
  time: number;
}

export function pointAt(of: Grid, spot: Spot | null): HistoryPoint | null {
  return spot === null ? null : (of.rows[spot.line]?.[spot.time] ?? null);
}

/** How far along the times, and across the lines. */
const WAYS: Record<string, readonly [along: number, across: number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/** Where an arrow key leads: to the next point of the line, or to the next line that has one at this time. */
export function stepped(of: Grid, spot: Spot | null, key: string): Spot | null {
  if (spot === null) return last(of);
  const way = WAYS[key];
  if (way === undefined) return spot;
  const [along, across] = way;
  let { line, time } = { line: spot.line + across, time: spot.time + along };
  while (line >= 0 && line < of.rows.length && time >= 0 && time < of.times.length) {
    if (pointAt(of, { line, time }) !== null) return { line, time };
    line += across;
    time += along;
  }
  return spot;
}

function last(of: Grid): Spot | null {
  const row = of.rows[0] ?? [];
  const time = row.findLastIndex((point) => point !== null);
  return time < 0 ? null : { line: 0, time };
}
