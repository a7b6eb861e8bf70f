/** Series under the metric they measure: training and validation share a chart. */

import type { Series } from "../api";

export interface Group {
  name: string;
  series: Series[];
}

export function groups(series: readonly Series[]): Group[] {
  const found = new Map<string, Group>();
  for (const one of series) {
    const key = bare(one.name);
    const group = found.get(key) ?? { name: one.name, series: [] };
    group.series.push(one);
    found.set(key, group);
  }
  return [...found.values()].sort((one, other) => rank(one.name) - rank(other.name));
}

/** "epoch_loss" and "Minibatch Loss" are both a loss. */
function bare(name: string): string {
  return name.toLowerCase().replace(/^(epoch|batch|minibatch|iteration)[ _]/, "");
}

function rank(name: string): number {
  const order = [/loss|error/i, /acc|f1|auc|precision|recall/i, /lr|learning/i];
  const found = order.findIndex((one) => one.test(name));
  return found < 0 ? order.length : found === 2 ? order.length + 1 : found;
}

/** What a series is called in its chart: its phase, with its name where another one has the same. */
export function labelOf(series: Pick<Series, "phase" | "name">, group: Group): string {
  const phase = (one: Pick<Series, "phase">): string => (one.phase === "" ? "train" : one.phase);
  const alone = group.series.filter((one) => phase(one) === phase(series)).length < 2;
  return alone ? phase(series) : `${phase(series)} ${series.name}`;
}
