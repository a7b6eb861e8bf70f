/** The rules of selecting trainings whose curves share a chart. */

import type { TrainingListItem } from "../api/types";
import type { Direction } from "./metricDirection";
import { metricValue, trainingKey } from "./trainingFields";
import { sortBy } from "./sort";

/** Maximum number of curves: a user can't distinguish more. */
export const MAX_CURVES = 20;

/** Number of curves before the user selects some. */
export const DEFAULT_CURVES = 8;

/** *trainings* with the best value of *metric* first; those that diverged, and then those without it, come last. */
export function rankByMetric(
  trainings: readonly TrainingListItem[],
  metric: string | null,
  direction: Direction,
): TrainingListItem[] {
  return metric === null ? [...trainings] : sortBy(trainings, (one) => metricValue(one, metric), direction === "up");
}

/** The keys of the best trainings; one that was not submitted has no curves and is left out. */
export function bestKeys(
  trainings: readonly TrainingListItem[],
  metric: string | null,
  direction: Direction,
  count = DEFAULT_CURVES,
): Set<string> {
  const submitted = trainings.filter((one) => one.id !== null);
  return new Set(rankByMetric(submitted, metric, direction).slice(0, count).map(trainingKey));
}

/** *selected* with *key* added or removed; unchanged where it is full. */
export function toggleKey(selected: ReadonlySet<string>, key: string): ReadonlySet<string> {
  const next = new Set(selected);
  if (!next.delete(key)) next.add(key);
  return next.size > MAX_CURVES ? selected : next;
}
