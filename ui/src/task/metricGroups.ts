/** Groups the series of a metric: training and validation share a chart, as far as their iterations count the same. */

import type { CurveSeries } from "../api/types";

type SeriesName = Pick<CurveSeries, "name" | "phase" | "progress">;

export interface MetricGroup {
  name: string;
  /** What the iterations of all series count. */
  axis: CurveSeries["axis"];
  series: CurveSeries[];
}

export function groupByMetric(series: readonly CurveSeries[]): MetricGroup[] {
  const groups: MetricGroup[] = [];
  for (const sameMetric of byKey(series, (one) => baseMetricName(one.name))) {
    // A series of unknown iterations goes to the others of its metric.
    const known = sameMetric.find((one) => one.axis !== null)?.axis ?? null;
    for (const sameAxis of byKey(sameMetric, (one) => one.axis ?? known))
      groups.push({ name: sameMetric[0]?.name ?? "", axis: sameAxis[0]?.axis ?? known, series: sameAxis });
  }
  return groups.sort((one, other) => metricRank(one.name) - metricRank(other.name));
}

function byKey<T, K>(items: readonly T[], keyOf: (item: T) => K): T[][] {
  const found = new Map<K, T[]>();
  for (const one of items) {
    const key = keyOf(one);
    const group = found.get(key);
    if (group) group.push(one);
    else found.set(key, [one]);
  }
  return [...found.values()];
}

/** "loss" for "epoch_loss" and "Minibatch Loss". */
function baseMetricName(name: string): string {
  return name.toLowerCase().replace(/^(epoch|batch|minibatch|iteration)[ _]/, "");
}

/** Losses come first, then qualities, learning rates last. */
function metricRank(name: string): number {
  const order = [/loss|error/i, /acc|f1|auc|precision|recall/i, /lr|learning/i];
  const found = order.findIndex((one) => one.test(name));
  return found < 0 ? order.length : found === 2 ? order.length + 1 : found;
}

/** A phase as charts show it: a metric without one is one of the training. */
const shownPhase = (one: SeriesName): string => (one.phase === "" ? "train" : one.phase);

/** The label of a series in its chart: its phase, and its name where another series has the same phase. */
export function seriesLabel(series: SeriesName, group: MetricGroup): string {
  const isAlike = (one: SeriesName): boolean =>
    shownPhase(one) === shownPhase(series) && one.progress === series.progress;
  const isUnique = group.series.filter(isAlike).length < 2;
  const label = isUnique ? shownPhase(series) : `${shownPhase(series)} ${series.name}`;
  return series.progress ? `${label} (progress bar)` : label;
}

/**
 * Whether a chart begins without *series*: a progress bar showed its values, which are measured within an epoch and
 * often smoothed, and *all* have the values of whole epochs of the same metric.
 */
export function isOffAtFirst(series: CurveSeries, all: readonly CurveSeries[]): boolean {
  return (
    series.progress &&
    all.some(
      (one) =>
        !one.progress &&
        one.axis === "epoch" &&
        shownPhase(one) === shownPhase(series) &&
        baseMetricName(one.name) === baseMetricName(series.name),
    )
  );
}
