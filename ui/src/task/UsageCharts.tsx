/** The CPU, memory and GPUs that a training used over time; kept after its end. */

import type { JSX } from "preact";
import { useMemo } from "preact/hooks";

import { fetchJson } from "../api/client";
import type { UsageResponse } from "../api/types";
import type { ChartSettings } from "../shared/ChartControls";
import { usePolling } from "../shared/usePolling";
import { attemptMarks, type AttemptStart } from "./attemptMarks";
import { CurveChart } from "./CurveChart";
import { usageGroups } from "./usageLines";

/** Milliseconds between two requests while a training runs. */
const POLL_INTERVAL = 10_000;

const SETTINGS: ChartSettings = { smoothing: 0, logarithmic: false };

interface Props {
  query: Record<string, string>;
  /** The training's start in seconds since the epoch; null where it is unknown. */
  start: number | null;
  /** The starts of further attempts. */
  attempts: readonly AttemptStart[];
}

export function UsageCharts({ query, start, attempts }: Props): JSX.Element | null {
  const usage = usePolling<UsageResponse>({
    key: JSON.stringify(query),
    fetchData: (_, signal) => fetchJson<UsageResponse>("usage", query, signal),
    interval: () => POLL_INTERVAL,
    isDone: (response) => response.complete,
  });
  const groups = useMemo(() => usageGroups(usage.data?.series ?? []), [usage.data]);
  if (groups.length === 0) return null; // a service without this extension has none
  const marks = attemptMarks(attempts, [], start ?? 0);
  return (
    <section aria-labelledby="usage-title">
      <h2 id="usage-title">Resources over time</h2>
      <div class="charts">
        {groups.map((group) => (
          <CurveChart
            key={group.title}
            {...group}
            axis="elapsed"
            start={start ?? 0}
            settings={SETTINGS}
            marks={marks}
          />
        ))}
      </div>
    </section>
  );
}
