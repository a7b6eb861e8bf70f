/** Choosing which trainings' curves to lay over each other. */

import type { Outline } from "../api";
import type { Direction } from "./direction";
import { keyOf } from "./outline";
import { sorted } from "./sort";

/** How many curves a person can tell apart; more can't be chosen. */
export const MOST = 20;

/** How many are chosen before a person has chosen. */
export const AT_FIRST = 8;

/** *trainings* with the best by *metric* first; those without it come last, as they stood. */
export function ranked(trainings: readonly Outline[], metric: string | null, direction: Direction): Outline[] {
  return metric === null ? [...trainings] : sorted(trainings, (one) => one.metrics[metric] ?? null, direction === "up");
}

/** The keys of the best few; one that was never submitted has no curves, so it is not among them. */
export function bestFew(
  trainings: readonly Outline[],
  metric: string | null,
  direction: Direction,
  count = AT_FIRST,
): Set<string> {
  const submitted = trainings.filter((one) => one.id !== null);
  return new Set(ranked(submitted, metric, direction).slice(0, count).map(keyOf));
}

/** *chosen* with *key* in it or not; unchanged where it is full. */
export function toggled(chosen: ReadonlySet<string>, key: string): ReadonlySet<string> {
  const next = new Set(chosen);
  if (!next.delete(key)) next.add(key);
  return next.size > MOST ? chosen : next;
}
