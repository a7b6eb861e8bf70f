/** The ranges of a chart's axes. */

/** Seconds: how much of the time axis a chart of one run shows, and a chart of runs that are close together. */
const ONE_RUN_SPAN = 86_400;
const MIN_SPAN = 60;

/** The first and the last second of the time axis: *times* with a margin, and not years around a single run. */
export function timeRange(times: readonly number[]): [number, number] {
  const [first, last] = [times[0] ?? 0, times.at(-1) ?? 0];
  const span = last === first ? ONE_RUN_SPAN : Math.max((last - first) * 1.06, MIN_SPAN);
  const middle = (first + last) / 2;
  return [middle - span / 2, middle + span / 2];
}

/** The range of the value axis: *low* to *high* with a margin, also where they are equal; null where there are none. */
export function valueRange(low: number | null, high: number | null): [number, number] {
  if (low === null || high === null) return [0, 1];
  const margin = high > low ? (high - low) * 0.08 : Math.abs(low) * 0.1 || 1;
  return [low - margin, high + margin];
}
