/** The GPU-hours of the last 30 days by DAG or state, for each service; requested when the panel is opened. */

import type { JSX } from "preact";
import { useId, useState } from "preact/hooks";

import { fetchJson } from "../api/client";
import type { ServiceUsage, UsageReports } from "../api/types";
import { usePolling } from "../shared/usePolling";
import { usageTableRows, type UsageGrouping } from "./usageTable";

/** Milliseconds between two requests while the panel is open. */
const POLL_INTERVAL = 60_000;

export function UsagePanel(): JSX.Element {
  const [isOpen, setOpen] = useState(false);
  return (
    <details class="listing-usage" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>GPU-hours of the last 30 days</summary>
      {isOpen && <UsageTables />}
    </details>
  );
}

function UsageTables(): JSX.Element {
  const [by, setBy] = useState<UsageGrouping>("dag");
  const { data, error } = usePolling<UsageReports>({
    key: by,
    fetchData: (_previous, signal) => fetchJson<UsageReports>("usage_report", { by }, signal),
    interval: () => POLL_INTERVAL,
  });
  const errors = [...(data?.service_errors ?? []), ...(error === null ? [] : [error])];
  return (
    <>
      <div class="listing-controls">
        <label>
          By{" "}
          <select value={by} onChange={(event) => setBy(event.currentTarget.value as UsageGrouping)}>
            <option value="dag">DAG</option>
            <option value="state">state</option>
          </select>
        </label>
      </div>
      {errors.map((text) => (
        <p key={text} class="listing-error" role="status">
          <span aria-hidden="true">⚠</span> {text}
        </p>
      ))}
      {data === null ? (
        errors.length === 0 && <p>Loading …</p>
      ) : data.reports.length === 0 ? (
        <p>No service of these trainings reports GPU-hours.</p>
      ) : (
        data.reports.map((usage) => (
          <UsageTable key={usage.connection} usage={usage} by={by} isNamed={data.reports.length > 1} />
        ))
      )}
      {by === "dag" && (
        <p class="listing-muted">
          “other” are the DAGs that you may not read, and the trainings that no task has submitted.
        </p>
      )}
    </>
  );
}

function UsageTable({ usage, by, isNamed }: { usage: ServiceUsage; by: UsageGrouping; isNamed: boolean }): JSX.Element {
  const caption = useId();
  return (
    <div class="listing-scroll" role="region" aria-labelledby={caption} tabIndex={0}>
      <table class="listing-table">
        <caption id={caption}>{isNamed ? `GPU-hours at ${usage.connection}` : "GPU-hours"}</caption>
        <thead>
          <tr>
            <th scope="col">{by === "dag" ? "DAG" : "State"}</th>
            {["Trainings", "GPU-hours", "Wasted", "Share"].map((title) => (
              <th key={title} scope="col" class="listing-number">
                {title}
              </th>
            ))}
            <th scope="col">Causes</th>
          </tr>
        </thead>
        <tbody>
          {usageTableRows(usage).map((row, index) => (
            <tr key={index}>
              <th scope="row">{row.name}</th>
              {[row.trainings, row.hours, row.wasted, row.share].map((text, column) => (
                <td key={column} class="listing-number">
                  {text}
                </td>
              ))}
              <td>{row.causes}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
