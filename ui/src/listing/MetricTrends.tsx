/** A metric's final values over runs: a chart, and one sentence for each of its lines. */

import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";

import type { TrainingListItem } from "../api/types";
import type { Direction } from "./metricDirection";
import { historyLines, historyLineLabel, describeTrend } from "./metricHistory";
import { HistoryChart } from "./HistoryChart";
import { ColourSwatch } from "./ColourSwatch";

interface Props {
  trainings: readonly TrainingListItem[];
  metric: string;
  direction: Direction;
}

export function MetricTrends({ trainings, metric, direction }: Props): JSX.Element {
  const [withInstances, setWithInstances] = useState(false);
  const allLines = useMemo(() => historyLines(trainings, metric, direction), [trainings, metric, direction]);
  const taskLines = useMemo(
    () => allLines.filter((line) => line.map_index === -1 || line.map_index === "best"),
    [allLines],
  );
  const lines = withInstances ? allLines : taskLines;
  return (
    <section aria-labelledby="history">
      <h2 id="history">Final {metric} of each run</h2>
      {allLines.length > taskLines.length && (
        <label class="listing-controls">
          <input
            type="checkbox"
            checked={withInstances}
            onChange={(event) => setWithInstances(event.currentTarget.checked)}
          />{" "}
          show each mapped instance
        </label>
      )}
      {lines.length === 0 ? (
        <p>No run has completed with this metric yet.</p>
      ) : (
        <HistoryChart metric={metric} lines={lines} />
      )}
      <ul class="listing-legend listing-sentences">
        {lines.map((line, index) => (
          <li key={historyLineLabel(line)}>
            <ColourSwatch slot={index} /> <b>{historyLineLabel(line)}:</b> {describeTrend(line, direction)}
          </li>
        ))}
      </ul>
    </section>
  );
}
