/** Curves of several trainings under one metric. */

import type { Curves, Outline, Series } from "../api";
import { isFinal, keyOf } from "./outline";
import { metricNames } from "./columns";

/** What is known of a training's curves. */
export interface Known {
  version: string | null;
  series: Series[];
  complete: boolean;
  /** Whether the training had ended when they were asked for: then no more will come, even if not all did. */
  ended: boolean;
  /** Why there is no newer answer. */
  trouble: string | null;
}

/** "validation/accuracy", as `Outline.metrics` names it. */
export function seriesName(series: Pick<Series, "name" | "phase">): string {
  return series.phase === "" ? series.name : `${series.phase}/${series.name}`;
}

/** Whether to ask for the curves of *one* (again). */
export function due(one: Outline, known: Known | undefined): boolean {
  if (one.id === null) return false;
  return known === undefined || known.trouble !== null || (!known.complete && !known.ended);
}

/** What is known after *answer*; the same object where that is no news. */
export function learned(one: Outline, known: Known | undefined, answer: Curves): Known {
  const same = known?.trouble === null && known.complete === answer.complete && known.ended === isFinal(one);
  if (same && answer.series === null && known.version === answer.version) return known;
  return {
    version: answer.version,
    series: answer.series ?? known?.series ?? [],
    complete: answer.complete,
    ended: isFinal(one),
    trouble: null,
  };
}

/** What is known where no answer came, for the reason of *trouble*: what there was stays. */
export function failed(known: Known | undefined, trouble: string): Known {
  return { version: null, series: [], complete: false, ended: false, ...known, trouble };
}

/** The metrics that there are curves of, those for judging first. */
export function curveNames(trainings: readonly Outline[], known: ReadonlyMap<string, Known>): string[] {
  const named = trainings.map((one) => {
    const names = (known.get(keyOf(one))?.series ?? []).map((series) => [seriesName(series), 0] as const);
    return { ...one, metrics: Object.fromEntries(names) };
  });
  return metricNames(named);
}
