/** Which metric counts, and which way it gets better. */

import type { JSX } from "preact";

import type { Direction } from "./direction";

interface Props {
  names: readonly string[];
  metric: string | null;
  direction: Direction;
  onMetric: (metric: string) => void;
  onDirection: (direction: Direction) => void;
}

export function MetricChoice({ names, metric, direction, onMetric, onDirection }: Props): JSX.Element | null {
  if (metric === null) return null;
  return (
    <div class="listing-controls">
      <label>
        Metric{" "}
        <select value={metric} onChange={(event) => onMetric(event.currentTarget.value)}>
          {names.map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <label>
        Better is{" "}
        <select value={direction} onChange={(event) => onDirection(event.currentTarget.value as Direction)}>
          <option value="up">more</option>
          <option value="down">less</option>
        </select>
      </label>
    </div>
  );
}
