/** What a chart shows from left to right. */

import type { CurveSeries } from "../api/types";
import { formatClock, formatNumber } from "../shared/format";

export type ChartAxis = "step" | "epoch" | "iteration" | "elapsed";

/** The user's choice for all charts: as each metric was printed, or the same for all. */
export type AxisChoice = "automatic" | "step" | "elapsed";

/** The axis of a chart whose series have *axis*; without a known *start* of the training there is no time since it. */
export function chartAxis(axis: CurveSeries["axis"], choice: AxisChoice, start: number | null): ChartAxis {
  const isOverTime = choice === "elapsed" || (choice === "automatic" && axis === "time");
  if (isOverTime && start !== null) return "elapsed";
  return axis === "step" || axis === "epoch" ? axis : "iteration";
}

/** The title of the axis. */
export function axisTitle(axis: ChartAxis): string {
  return axis === "elapsed" ? "time since the start (h:min:s)" : axis;
}

/** "step 120" or "0:05:03". */
export function formatPosition(axis: ChartAxis, position: number | undefined): string {
  if (position === undefined) return "–";
  return axis === "elapsed" ? formatClock(position) : `${axis} ${formatIteration(position)}`;
}

const formatIteration = (iteration: number): string =>
  Number.isInteger(iteration) ? String(iteration) : formatNumber(iteration);

/** Where values are NaN or infinite, as a sentence; null where none is. */
export function describeNonFinite(
  axis: ChartAxis,
  positions: readonly number[],
  readings: readonly (number | undefined)[],
): string | null {
  const first = readings.findIndex((value) => value !== undefined && !Number.isFinite(value));
  if (first < 0) return null;
  const at = formatPosition(axis, positions[first]);
  const later = readings.slice(first).filter((value) => value !== undefined);
  const value = formatNumber(later[0] ?? NaN);
  if (later.length === 1) return `${value} at ${at}`;
  if (later.every((one) => Object.is(one, later[0]))) return `${value} from ${at} on`;
  return later.some((one) => Number.isFinite(one))
    ? `some values are NaN or infinite, the first one at ${at}`
    : `NaN or infinite from ${at} on`;
}

/** The value at *index*, or the last one before it: series may have different steps. */
export function readingAtOrBefore(readings: readonly (number | undefined)[], index: number): number | null {
  for (let at = Math.min(index, readings.length - 1); at >= 0; at -= 1) {
    const value = readings[at];
    if (value !== undefined) return value;
  }
  return null;
}
