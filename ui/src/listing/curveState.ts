/** What the page knows of the curves of trainings. */

import type { CurvesResponse, TrainingListItem, CurveSeries } from "../api/types";
import { isFinal, trainingKey } from "./trainingFields";
import { metricNames } from "./columnNames";

/** The curves of one training, and whether there may be more. */
export interface CurveState {
  version: string | null;
  series: CurveSeries[];
  complete: boolean;
  /** Whether the training was final at the last request: then no more points come, even where `complete` is false. */
  ended: boolean;
  /** Why the last request failed. */
  error: string | null;
}

/** "validation/accuracy", as in `TrainingListItem.metrics`. */
export function seriesName(series: Pick<CurveSeries, "name" | "phase">): string {
  return series.phase === "" ? series.name : `${series.phase}/${series.name}`;
}

/** Whether to request the curves of *training*, for the first time or again. */
export function needsFetch(training: TrainingListItem, state: CurveState | undefined): boolean {
  if (training.id === null) return false;
  return state === undefined || state.error !== null || (!state.complete && !state.ended);
}

/** The state after *response*; the same object where nothing changed. */
export function withResponse(
  training: TrainingListItem,
  state: CurveState | undefined,
  response: CurvesResponse,
): CurveState {
  const isSame = state?.error === null && state.complete === response.complete && state.ended === isFinal(training);
  if (isSame && response.series === null && state.version === response.version) return state;
  return {
    version: response.version,
    series: response.series ?? state?.series ?? [],
    complete: response.complete,
    ended: isFinal(training),
    error: null,
  };
}

/** The state after a failed request: the curves stay. */
export function withError(state: CurveState | undefined, error: string): CurveState {
  return { version: null, series: [], complete: false, ended: false, ...state, error };
}

/** The metrics that have curves, in the order of `metricNames`. */
export function curveMetricNames(
  trainings: readonly TrainingListItem[],
  states: ReadonlyMap<string, CurveState>,
): string[] {
  const withCurveNames = trainings.map((training) => {
    const series = states.get(trainingKey(training))?.series ?? [];
    return { ...training, metrics: Object.fromEntries(series.map((one) => [seriesName(one), 0])) };
  });
  return metricNames(withCurveNames);
}
