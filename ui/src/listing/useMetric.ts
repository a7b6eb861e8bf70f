/** The chosen metric and its direction, with a guess where nobody has chosen. */

import { useCallback, useState } from "preact/hooks";

import { mainMetric } from "./columns";
import { type Direction, guessDirection } from "./direction";

interface Metric {
  metric: string | null;
  direction: Direction;
  onMetric: (metric: string) => void;
  onDirection: (direction: Direction) => void;
}

export function useMetric(names: readonly string[]): Metric {
  const [wanted, setWanted] = useState<string | null>(null);
  const [said, setSaid] = useState<Record<string, Direction>>({});
  const metric = wanted !== null && names.includes(wanted) ? wanted : mainMetric(names);
  const direction = metric === null ? "up" : (said[metric] ?? guessDirection(metric));
  const onDirection = useCallback(
    (way: Direction) => metric !== null && setSaid((before) => ({ ...before, [metric]: way })),
    [metric],
  );
  return { metric, direction, onMetric: setWanted, onDirection };
}
