/** Unchanged trainings of a new list keep their identity, so that only changed rows are rendered again. */

import type { TrainingListItem } from "../api/types";
import { trainingKey } from "./trainingFields";

/**
 * *next*, with the object in *previous* in place of each training that is equal to it or has an unknown state now;
 * *previous* itself where nothing changed.
 */
export function mergeUnchanged(
  previous: readonly TrainingListItem[],
  next: readonly TrainingListItem[],
): readonly TrainingListItem[] {
  const previousByKey = new Map(previous.map((training) => [trainingKey(training), training]));
  const merged = next.map((training) => {
    const known = previousByKey.get(trainingKey(training));
    if (known === undefined) return training;
    const isUnknown = training.state === null && training.id !== null && training.id === known.id;
    return isUnknown || JSON.stringify(known) === JSON.stringify(training) ? known : training;
  });
  const isSame = merged.length === previous.length && merged.every((training, index) => training === previous[index]);
  return isSame ? previous : merged;
}
