/** Where the attempts of a training began in its charts. */

import type { AttemptReport } from "../api/types";
import type { CurvePoint } from "../shared/chartData";
import { type ChartAxis, formatPosition } from "./chartAxis";

/** When an attempt after the first one began, in seconds since the epoch. */
export interface AttemptStart {
  number: number;
  at: number;
}

/** A vertical line in a chart. */
export interface ChartMark {
  position: number;
  label: string;
}

export function attemptStarts(attempts: readonly AttemptReport[]): AttemptStart[] {
  return attempts.flatMap(({ number, started_at }) =>
    number > 1 && started_at != null ? [{ number, at: Date.parse(started_at) / 1000 }] : [],
  );
}

/**
 * A mark for each of *starts*, which are in the order of time: at the first iteration that the attempt measured, or in a
 * chart over the time since *start* when it began. An attempt that measured nothing has no mark over iterations.
 */
export function attemptMarks(
  starts: readonly AttemptStart[],
  lines: readonly { points: readonly CurvePoint[] }[],
  start: number | null,
): ChartMark[] {
  return starts.flatMap(({ number, at }, index) => {
    const position = start === null ? firstIteration(lines, at, starts[index + 1]?.at ?? Infinity) : at - start;
    return Number.isFinite(position) ? [{ position, label: `attempt ${number}` }] : [];
  });
}

/** The first iteration that was measured in the time from *begin* to *end*; Infinity where none was. */
function firstIteration(lines: readonly { points: readonly CurvePoint[] }[], begin: number, end: number): number {
  let first = Infinity;
  for (const { points } of lines)
    for (const [iteration, , at] of points) if (at >= begin && at < end && iteration < first) first = iteration;
  return first;
}

/** "; attempt 2 begins at step 120", for the description of a chart. */
export function describeMarks(marks: readonly ChartMark[], axis: ChartAxis): string {
  return marks.map(({ position, label }) => `; ${label} begins at ${formatPosition(axis, position)}`).join("");
}
