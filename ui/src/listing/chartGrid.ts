/** The numbers of a history chart, and how arrow keys move from point to point. */

import type { HistoryLine, HistoryPoint } from "./metricHistory";

export interface ChartGrid {
  /** The times of all lines in seconds since the epoch, ascending. */
  times: number[];
  /** For each line, a point or null at each time. */
  rows: (HistoryPoint | null)[][];
}

export function buildChartGrid(lines: readonly HistoryLine[]): ChartGrid {
  const times = [...new Set(lines.flatMap((line) => line.points.map((point) => point.at / 1000)))].sort(
    (a, b) => a - b,
  );
  const rows = lines.map((line) => {
    const at = new Map(line.points.map((point) => [point.at / 1000, point]));
    return times.map((time) => at.get(time) ?? null);
  });
  return { times, rows };
}

export interface GridPosition {
  /** Index in `ChartGrid.rows`. */
  line: number;
  /** Index in `ChartGrid.times`. */
  time: number;
}

export function pointAt(grid: ChartGrid, position: GridPosition | null): HistoryPoint | null {
  return position === null ? null : (grid.rows[position.line]?.[position.time] ?? null);
}

/** Steps along the times and across the lines. */
const ARROW_STEPS: Record<string, readonly [along: number, across: number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/** The position after an arrow key: the next point of the line, or the next line that has a point at this time. */
export function nextPosition(grid: ChartGrid, position: GridPosition | null, key: string): GridPosition | null {
  if (position === null) return lastPosition(grid);
  const step = ARROW_STEPS[key];
  if (step === undefined) return position;
  const [along, across] = step;
  let { line, time } = { line: position.line + across, time: position.time + along };
  while (line >= 0 && line < grid.rows.length && time >= 0 && time < grid.times.length) {
    if (pointAt(grid, { line, time }) !== null) return { line, time };
    line += across;
    time += along;
  }
  return position;
}

function lastPosition(grid: ChartGrid): GridPosition | null {
  const row = grid.rows[0] ?? [];
  const time = row.findLastIndex((point) => point !== null);
  return time < 0 ? null : { line: 0, time };
}
