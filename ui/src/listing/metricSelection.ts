/** The selected metric and whether higher is better, in the page's URL; defaults where the user selected nothing. */

import { defaultMetric, type MetricName } from "./columnNames";
import { type Direction, guessDirection } from "./metricDirection";
import { withValues } from "./queryValues";
import type { Settings } from "./useSettings";

export interface MetricSelection {
  metric: string | null;
  direction: Direction;
  onMetric: (metric: string) => void;
  onDirection: (direction: Direction) => void;
}

/** A metric that is selected gets the guessed direction, and the table is sorted by it again. */
export function metricSelection(names: readonly MetricName[], { query, change }: Settings): MetricSelection {
  const chosen = query.get("metric");
  const metric = names.some(({ name }) => name === chosen) ? chosen : defaultMetric(names);
  const better = query.get("better");
  const isChosen = (better === "higher" || better === "lower") && metric === chosen;
  return {
    metric,
    direction: isChosen ? (better === "higher" ? "up" : "down") : guessDirection(metric ?? ""),
    onMetric: (next) => change((query) => withValues(query, { metric: next, better: "", sort: "" })),
    onDirection: (next) =>
      change((query) =>
        withValues(query, { metric: metric ?? "", better: next === "up" ? "higher" : "lower", sort: "" }),
      ),
  };
}
