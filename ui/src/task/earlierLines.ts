/** The curves of the training with whose checkpoint a training began, as far as that one had come. */

import type { CurveSeries } from "../api/types";

/** The series of *earlier* that *series* continues, up to its first iteration; null where there is none. */
export function pointsBefore(series: CurveSeries, earlier: readonly CurveSeries[]): CurveSeries["points"] | null {
  const same = earlier.find(
    (one) =>
      one.name === series.name &&
      one.phase === series.phase &&
      one.progress === series.progress &&
      one.axis === series.axis,
  );
  const first = series.points.reduce((least, [iteration]) => Math.min(least, iteration), Infinity);
  const points = same?.points.filter(([iteration]) => iteration < first) ?? [];
  return points.length > 0 && Number.isFinite(first) ? points : null;
}
