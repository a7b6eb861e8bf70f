/** What a training is made of, and where its time goes. */

import type { ComponentChildren, JSX } from "preact";

import type { PhaseTime, Training } from "../api";
import { formatDuration, formatTime } from "../listing/core";
import { leave } from "../listing/navigate";

export function Phases({ phases, now }: { phases: readonly PhaseTime[]; now: number }): JSX.Element | null {
  if (phases.length === 0) return null;
  const lasted = phases.map((one) => Math.max(0, (one.until ? Date.parse(one.until) : now) - Date.parse(one.since)));
  return (
    <>
      <div class="phases" aria-hidden="true">
        {phases.map((one, index) => (
          <span key={index} class={`phase-${one.phase}`} style={{ flexGrow: Math.max(lasted[index] ?? 0, 1) }} />
        ))}
      </div>
      <ul class="phase-list" aria-label="Time in each phase">
        {phases.map((one, index) => (
          <li key={index} title={`since ${formatTime(one.since)}`}>
            <i class={`phase-${one.phase}`} aria-hidden="true" />
            {one.phase} {formatDuration(lasted[index] ?? 0)}
          </li>
        ))}
      </ul>
    </>
  );
}

export function Facts({ training }: { training: Training }): JSX.Element {
  const { usage } = training;
  const rows: [string, ComponentChildren][] = [
    ["Framework", training.framework],
    ["Runs on", training.runtime],
    ["Resources", `${training.resource_type}${training.gpus.length ? `: ${training.gpus.join(", ")}` : ""}`],
    ["In the queue", training.queue_position === null ? null : `behind ${training.queue_position} others`],
    ["Memory", usage?.memory_bytes == null ? null : inBytes(usage.memory_bytes)],
    ["CPU", usage?.cpu_percent == null ? null : `${Math.round(usage.cpu_percent)} % of a core`],
    ...(usage?.gpus ?? []).map((gpu): [string, string] => [
      `GPU ${gpu.name}`,
      `${gpu.utilization ?? "–"} %, ${gpu.memory_used === null ? "–" : inBytes(gpu.memory_used)} of ${gpu.memory_total === null ? "–" : inBytes(gpu.memory_total)}`,
    ]),
    ["Submitted", formatTime(training.submitted_at)],
    ["Started", training.running_at && formatTime(training.running_at)],
    ["Ended", training.finished_at && formatTime(training.finished_at)],
    ["Isolation", training.isolation],
    ["Service", training.connection],
    ["Results", training.results && place(training.results)],
    ["Event files", training.event_folder && (training.results ? `${place(training.results)}/${training.event_folder}` : training.event_folder)],
    [
      "TensorBoard",
      training.tensorboard && (
        <a href={training.tensorboard} target="_blank" rel="noopener noreferrer" onClick={leave} onAuxClick={leave}>
          open
        </a>
      ),
    ],
  ];
  return (
    <dl class="facts">
      {rows
        .filter(([, value]) => value)
        .map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}

function place(results: { container: string; location: string }): string {
  return `${results.container}/${results.location}`;
}

function inBytes(bytes: number): string {
  return bytes >= 1024 ** 3 ? `${(bytes / 1024 ** 3).toFixed(1)} GiB` : `${Math.round(bytes / 1024 ** 2)} MiB`;
}
