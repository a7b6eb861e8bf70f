/** Which hyperparameters and metrics have a column, and in which order. */

import type { TrainingListItem } from "../api/types";
import { sortBy } from "./sort";

export interface ParameterNames {
  /** Those with different values, or missing in some trainings. */
  differing: string[];
  /** Those that all trainings have, with the same value. */
  shared: string[];
}

/** The parameters of *trainings*, in the order of their first occurrence. With one training, none differs. */
export function parameterNames(trainings: readonly TrainingListItem[]): ParameterNames {
  const names = new Set(trainings.flatMap((training) => Object.keys(training.parameters)));
  const differs = (name: string): boolean => new Set(trainings.map((training) => training.parameters[name])).size > 1;
  const found: ParameterNames = { differing: [], shared: [] };
  for (const name of names) (differs(name) ? found.differing : found.shared).push(name);
  return found;
}

/** "validation/accuracy" before "accuracy" before "train/loss": validation metrics decide between models. */
function metricPriority(name: string): number {
  const lower = name.toLowerCase();
  if (/^(val|valid|validation|eval|test)([/_]|$)/.test(lower)) return 0;
  return /^train([/_]|$)/.test(lower) ? 2 : 1;
}

/** The names of all metrics: validation metrics first, then by the number of trainings that have them, then by name. */
export function metricNames(trainings: readonly TrainingListItem[]): string[] {
  const count = new Map<string, number>();
  for (const training of trainings) {
    for (const name of Object.keys(training.metrics)) count.set(name, (count.get(name) ?? 0) + 1);
  }
  const byName = sortBy([...count.keys()], (name) => name, false);
  const byCount = sortBy(byName, (name) => count.get(name) ?? 0, true);
  return sortBy(byCount, metricPriority, false);
}

/** The metric that is selected at first: an accuracy where there is one, else the first. */
export function defaultMetric(names: readonly string[]): string | null {
  return names.find((name) => /acc|f1|auc|bleu|map$|iou/i.test(name)) ?? names[0] ?? null;
}
