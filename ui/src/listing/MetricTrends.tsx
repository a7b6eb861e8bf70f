/** A metric's final values over runs: a chart, and one sentence for each of its lines. */

import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";

import type { TrainingListItem } from "../api/types";
import type { Direction } from "./metricDirection";
import { historyLines, historyLineLabel, type HistoryLine, describeTrend } from "./metricHistory";
import { AirflowLink } from "./trainingColumns";
import { isUnknown, runLabel, taskInstanceKey, taskLabel } from "./trainingFields";
import { airflowRoot, taskUrl } from "../shared/links";
import { formatNumber } from "../shared/format";
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
        <p>
          {trainings.some(isUnknown)
            ? "It is not known which runs have completed with this metric."
            : "No run has completed with this metric yet."}
        </p>
      ) : (
        <HistoryChart metric={metric} lines={lines} />
      )}
      <ul class="listing-legend listing-sentences">
        {lines.map((line, index) => (
          <li key={historyLineLabel(line)}>
            <ColourSwatch slot={index} /> <b>{historyLineLabel(line)}:</b> {describeTrend(line, direction)}
            <DivergedTrainings line={line} />
          </li>
        ))}
      </ul>
    </section>
  );
}

/** The most links to trainings that diverged, the newest ones. */
const MAX_LINKS = 10;

/** Links to the trainings of *line* that diverged; the chart has crosses at its bottom for those that are its points. */
function DivergedTrainings({ line }: { line: HistoryLine }): JSX.Element | null {
  const root = airflowRoot(window.location.pathname);
  const newest = line.diverged.slice(-MAX_LINKS).reverse();
  if (newest.length === 0) return null;
  return (
    <>
      {" "}
      Diverged (✕):{" "}
      {newest.map(({ value, training: { ref } }, index) => (
        <span key={taskInstanceKey(ref)}>
          {index > 0 && ", "}
          <AirflowLink href={taskUrl(root, ref)}>{`${runLabel(ref.run_id)} ${taskLabel(ref)}`}</AirflowLink>{" "}
          {formatNumber(value)}
        </span>
      ))}
      {line.diverged.length > newest.length && ` and ${line.diverged.length - newest.length} before them`}.
    </>
  );
}
