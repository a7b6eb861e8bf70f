/** Groups the series of a metric: training and validation share a chart. */

import type { CurveSeries } from "../api/types";

export interface MetricGroup {
  name: string;
  series: CurveSeries[];
}

export function groupByMetric(series: readonly CurveSeries[]): MetricGroup[] {
  const found = new Map<string, MetricGroup>();
  for (const one of series) {
    const key = baseMetricName(one.name);
    const group = found.get(key) ?? { name: one.name, series: [] };
    group.series.push(one);
    found.set(key, group);
  }
  return [...found.values()].sort((one, other) => metricRank(one.name) - metricRank(other.name));
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

/** The label of a series in its chart: its phase, and its name where another series has the same phase. */
export function seriesLabel(series: Pick<CurveSeries, "phase" | "name">, group: MetricGroup): string {
  const phase = (one: Pick<CurveSeries, "phase">): string => (one.phase === "" ? "train" : one.phase);
  const isUnique = group.series.filter((one) => phase(one) === phase(series)).length < 2;
  return isUnique ? phase(series) : `${phase(series)} ${series.name}`;
}
