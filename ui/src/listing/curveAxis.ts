/** What the horizontal axis of a comparison of curves counts. */

import type { CurveSeries, TrainingListItem } from "../api/types";
import type { CurvePoint } from "../shared/chartData";
import { toNumber } from "../shared/metricNumber";
import { type ChartAxis, describeNonFinite } from "../task/chartAxis";
import { parseTime } from "./trainingFields";

/**
 * The axis that all *series* have: "iteration" where it is not known what they count; the time where the iterations of
 * one do not increase, or where they count different things.
 */
export function commonAxis(series: readonly Pick<CurveSeries, "axis">[]): ChartAxis {
  const axes = [...new Set(series.map(({ axis }) => axis))];
  const known = axes.filter((axis) => axis !== null);
  const [first] = known;
  if (first === "time" || known.length > 1) return "elapsed";
  return first !== undefined && axes.length === 1 ? first : "iteration";
}

/** *points* of *training* with their place on *axis* as the first number: seconds since its start, or the iteration. */
export function placePoints(points: readonly CurvePoint[], axis: ChartAxis, training: TrainingListItem): CurvePoint[] {
  if (axis !== "elapsed") return [...points];
  const begin = parseTime(training.running_at);
  const start = begin === null ? (points[0]?.[2] ?? 0) : begin / 1000;
  return points.map(([, value, at]) => [at - start, value, at]);
}

/** Where values of *points*, placed on *axis*, are NaN or infinite; null where none is. */
export function divergenceText(points: readonly CurvePoint[], axis: ChartAxis): string | null {
  return describeNonFinite(
    axis,
    points.map(([place]) => place),
    points.map(([, value]) => toNumber(value)),
  );
}
