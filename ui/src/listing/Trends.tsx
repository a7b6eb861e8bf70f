/** How a metric's final value went over the runs: in a chart, and in a sentence for each line of it. */

import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";

import type { Outline } from "../api";
import type { Direction } from "./direction";
import { historyLines, lineLabel, trend } from "./history";
import { HistoryChart } from "./HistoryChart";
import { Swatch } from "./Swatch";

interface Props {
  trainings: readonly Outline[];
  metric: string;
  direction: Direction;
}

export function Trends({ trainings, metric, direction }: Props): JSX.Element {
  const [each, setEach] = useState(false);
  const all = useMemo(() => historyLines(trainings, metric, direction), [trainings, metric, direction]);
  const whole = useMemo(() => all.filter((line) => line.map_index === -1 || line.map_index === "best"), [all]);
  const lines = each ? all : whole;
  return (
    <section aria-labelledby="history">
      <h2 id="history">Final {metric} of each run</h2>
      {all.length > whole.length && (
        <label class="listing-controls">
          <input type="checkbox" checked={each} onChange={(event) => setEach(event.currentTarget.checked)} /> each
          mapped instance, too
        </label>
      )}
      {lines.length === 0 ? (
        <p>No run has completed with this metric yet.</p>
      ) : (
        <HistoryChart metric={metric} lines={lines} />
      )}
      <ul class="listing-legend listing-sentences">
        {lines.map((line, index) => (
          <li key={lineLabel(line)}>
            <Swatch slot={index} /> <b>{lineLabel(line)}:</b> {trend(line, direction)}
          </li>
        ))}
      </ul>
    </section>
  );
}
