/** Which hyperparameters and metrics deserve a column. */

import type { Outline } from "../api";
import { sorted } from "./sort";

export interface Parameters {
  /** What the trainings differ in; one that lacks it differs too. */
  differing: string[];
  /** What all of them have, with the same value. */
  shared: string[];
}

/** All parameters of *trainings*, in the order in which they first occur. With one training nothing differs. */
export function parameterNames(trainings: readonly Outline[]): Parameters {
  const names = new Set(trainings.flatMap((one) => Object.keys(one.parameters)));
  const differs = (name: string): boolean => new Set(trainings.map((one) => one.parameters[name])).size > 1;
  const found: Parameters = { differing: [], shared: [] };
  for (const name of names) (differs(name) ? found.differing : found.shared).push(name);
  return found;
}

/** "validation/accuracy" before "accuracy" before "train/loss": what a model is judged by comes first. */
function weight(name: string): number {
  const at = name.toLowerCase();
  if (/^(val|valid|validation|eval|test)([/_]|$)/.test(at)) return 0;
  return /^train([/_]|$)/.test(at) ? 2 : 1;
}

/** All metrics' names: those for judging first, then those that more of *trainings* have, then by name. */
export function metricNames(trainings: readonly Outline[]): string[] {
  const count = new Map<string, number>();
  for (const one of trainings) {
    for (const name of Object.keys(one.metrics)) count.set(name, (count.get(name) ?? 0) + 1);
  }
  const byName = sorted([...count.keys()], (name) => name, false);
  const byCount = sorted(byName, (name) => count.get(name) ?? 0, true);
  return sorted(byCount, weight, false);
}

/** What to judge by where nobody has chosen: accuracy before loss, as both are usually there. */
export function mainMetric(names: readonly string[]): string | null {
  return names.find((name) => /acc|f1|auc|bleu|map$|iou/i.test(name)) ?? names[0] ?? null;
}
