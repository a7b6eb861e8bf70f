/** Which hyperparameters and metrics have a column, and in which order. */

import type { TrainingListItem } from "../api/types";
import { sortBy } from "./sort";
import { isUnknown } from "./trainingFields";

export interface ParameterNames {
  /** Those with different values, or missing in some trainings. */
  differing: string[];
  /** Those that all trainings have, with the same value. */
  shared: string[];
}

/** The parameters of *trainings*, in the order of their first occurrence. With one training, none differs. */
export function parameterNames(trainings: readonly TrainingListItem[]): ParameterNames {
  const known = trainings.filter((training) => !isUnknown(training)); // one without parameters must not make all differ
  const names = new Set(known.flatMap((training) => Object.keys(training.parameters)));
  const differs = (name: string): boolean => new Set(known.map((training) => training.parameters[name])).size > 1;
  const found: ParameterNames = { differing: [], shared: [] };
  for (const name of names) (differs(name) ? found.differing : found.shared).push(name);
  return found;
}

/** "validation/accuracy" before "accuracy" before "train/loss": validation metrics decide between models. */
function phasePriority(name: string): number {
  const lower = name.toLowerCase();
  if (/^(val|valid|validation|eval|test)([/_]|$)/.test(lower)) return 0;
  return /^train([/_]|$)/.test(lower) ? 2 : 1;
}

export interface MetricName {
  name: string;
  /** Whether progress bars showed the value of each training that has it: it is of some step within an epoch. */
  isProgress: boolean;
}

/** How well a metric decides between models; lower is better. */
const rankingPriority = ({ name, isProgress }: MetricName): number => phasePriority(name) + (isProgress ? 3 : 0);

/**
 * All metrics: those of whole epochs before those of progress bars, and validation metrics first; then by the number of
 * trainings that have them, then by name.
 */
export function metricNames(trainings: readonly TrainingListItem[]): MetricName[] {
  const count = new Map<string, number>();
  const ofEpochs = new Set<string>();
  for (const training of trainings) {
    for (const name of Object.keys(training.metrics)) {
      count.set(name, (count.get(name) ?? 0) + 1);
      if (!training.progress_metrics.includes(name)) ofEpochs.add(name);
    }
  }
  const names = [...count.keys()].map((name) => ({ name, isProgress: !ofEpochs.has(name) }));
  const byName = sortBy(names, ({ name }) => name, false);
  const byCount = sortBy(byName, ({ name }) => count.get(name) ?? 0, true);
  return sortBy(byCount, rankingPriority, false);
}

/** The metric that is selected at first: of those that decide best between models an accuracy, else the first. */
export function defaultMetric(names: readonly MetricName[]): string | null {
  const [first] = names;
  if (first === undefined) return null;
  const best = names.filter((one) => rankingPriority(one) === rankingPriority(first));
  return (best.find(({ name }) => /acc|f1|auc|bleu|map$|iou/i.test(name)) ?? first).name;
}
