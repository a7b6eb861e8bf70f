/** The selected metric and whether higher is better; defaults where the user selected nothing. */

import { useCallback, useState } from "preact/hooks";

import { defaultMetric } from "./columnNames";
import { type Direction, guessDirection } from "./metricDirection";

interface MetricSelection {
  metric: string | null;
  direction: Direction;
  onMetric: (metric: string) => void;
  onDirection: (direction: Direction) => void;
}

export function useMetricSelection(names: readonly string[]): MetricSelection {
  const [chosenMetric, setChosenMetric] = useState<string | null>(null);
  const [chosenDirections, setChosenDirections] = useState<Record<string, Direction>>({});
  const metric = chosenMetric !== null && names.includes(chosenMetric) ? chosenMetric : defaultMetric(names);
  const direction = metric === null ? "up" : (chosenDirections[metric] ?? guessDirection(metric));
  const onDirection = useCallback(
    (next: Direction) => metric !== null && setChosenDirections((previous) => ({ ...previous, [metric]: next })),
    [metric],
  );
  return { metric, direction, onMetric: setChosenMetric, onDirection };
}
