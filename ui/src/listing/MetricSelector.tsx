/** Select fields for a metric, and for whether higher or lower is better. */

import type { JSX } from "preact";

import type { MetricName } from "./columnNames";
import type { Direction } from "./metricDirection";
import type { MetricSelection } from "./metricSelection";

interface Props extends MetricSelection {
  names: readonly MetricName[];
}

export function MetricSelector({ names, metric, direction, onMetric, onDirection }: Props): JSX.Element | null {
  if (metric === null) return null;
  return (
    <div class="listing-controls">
      <label>
        Metric{" "}
        <select value={metric} onChange={(event) => onMetric(event.currentTarget.value)}>
          {names.map(({ name, isProgress }) => (
            <option key={name} value={name}>
              {isProgress ? `${name} (progress bar)` : name}
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
