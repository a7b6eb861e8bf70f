/** What the page knows of the curves of trainings. */

import type { CurvesResponse, TrainingListItem, CurveSeries } from "../api/types";
import { isFinal, trainingKey } from "./trainingFields";
import { type MetricName, metricNames } from "./columnNames";

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

/** The name of *series* among all curves: a progress bar may show the same metric within each epoch. */
export function curveName(series: Pick<CurveSeries, "name" | "phase" | "progress">): string {
  return seriesName(series) + (series.progress ? PROGRESS_SUFFIX : "");
}

const PROGRESS_SUFFIX = " (progress bar)";

/** The curve of the table's *metric*: that of its epochs where there is one. */
export function curveOfMetric(metric: string, names: readonly MetricName[]): string | null {
  return [metric, metric + PROGRESS_SUFFIX].find((wanted) => names.some(({ name }) => name === wanted)) ?? null;
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

/** The names of all curves (see `curveName`), in the order of `metricNames`. */
export function curveNames(
  trainings: readonly TrainingListItem[],
  states: ReadonlyMap<string, CurveState>,
): MetricName[] {
  const withCurveNames = trainings.map((training) => {
    const series = states.get(trainingKey(training))?.series ?? [];
    return {
      ...training,
      metrics: Object.fromEntries(series.map((one) => [curveName(one), 0])),
      progress_metrics: series.filter(({ progress }) => progress).map(curveName),
    };
  });
  return metricNames(withCurveNames);
}
