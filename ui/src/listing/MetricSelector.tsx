/** Select fields for a metric, and for whether higher or lower is better. */

import type { JSX } from "preact";

import type { Direction } from "./metricDirection";

interface Props {
  names: readonly string[];
  metric: string | null;
  direction: Direction;
  onMetric: (metric: string) => void;
  onDirection: (direction: Direction) => void;
}

export function MetricSelector({ names, metric, direction, onMetric, onDirection }: Props): JSX.Element | null {
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
          <option value="up">higher</option>
          <option value="down">lower</option>
        </select>
      </label>
    </div>
  );
}
