/** The facts of a training, and how long each phase took. */

import type { ComponentChildren, JSX } from "preact";

import type { PhaseInterval, ResultsLocation, TrainingDetail } from "../api/types";
import { formatBytes, formatDuration, formatExactTime } from "../shared/format";
import { onAirflowLinkClick } from "../shared/airflowNavigation";
import { resourceLines } from "./resourceText";
import { CopyButton } from "../shared/CopyButton";

export function PhaseTimeline({ phases, now }: { phases: readonly PhaseInterval[]; now: number }): JSX.Element | null {
  if (phases.length === 0) return null;
  const durations = phases.map((one) => Math.max(0, (one.until ? Date.parse(one.until) : now) - Date.parse(one.since)));
  return (
    <>
      <div class="phases" aria-hidden="true">
        {phases.map((one, index) => (
          <span key={index} class={`phase-${one.phase}`} style={{ flexGrow: Math.max(durations[index] ?? 0, 1) }} />
        ))}
      </div>
      <ul class="phase-list" aria-label="Time in each phase">
        {phases.map((one, index) => (
          <li key={index} title={`since ${formatExactTime(one.since)}`}>
            <i class={`phase-${one.phase}`} aria-hidden="true" />
            {one.phase} {formatDuration(durations[index] ?? 0)}
          </li>
        ))}
      </ul>
    </>
  );
}

interface FactsProps {
  training: TrainingDetail;
  /** Milliseconds since the epoch. */
  now: number;
}

export function TrainingFacts({ training, now }: FactsProps): JSX.Element {
  const { usage } = training;
  const rows: [string, ComponentChildren][] = [
    ["Framework", training.framework],
    ["Runs on", training.runtime],
    ["GPUs", training.gpus.join(", ")],
    ["Resources", <ResourceLines training={training} />],
    ["In the queue", training.queue_position === null ? null : `position ${training.queue_position + 1}`],
    ["Memory", usage?.memory_bytes == null ? null : formatBytes(usage.memory_bytes)],
    ["CPU", usage?.cpu_percent == null ? null : `${Math.round(usage.cpu_percent)} % of a core`],
    ...(usage?.gpus ?? []).map((gpu): [string, string] => [
      `GPU ${gpu.name}`,
      `${gpu.utilization ?? "–"} %, ${optionalBytes(gpu.memory_used)} of ${optionalBytes(gpu.memory_total)}`,
    ]),
    ["Submitted", formatExactTime(training.submitted_at)],
    ["Started", training.running_at && formatExactTime(training.running_at)],
    ["Ended", training.finished_at && formatExactTime(training.finished_at)],
    ["Total duration", durationText(training.submitted_at, training.finished_at, now)],
    ["Duration without the queue", durationText(training.running_at, training.finished_at, now)],
    ["Isolation", training.isolation],
    ["Service", training.connection],
    ["Results", training.results && <ResultsPath results={training.results} />],
    ["Event files", eventFilesPath(training)],
    [
      "TensorBoard",
      training.tensorboard && (
        <a
          href={training.tensorboard}
          target="_blank"
          rel="noopener noreferrer"
          onClick={onAirflowLinkClick}
          onAuxClick={onAirflowLinkClick}
        >
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

/** From *begin* to *end*, or to *now*; null without a begin. */
function durationText(begin: string | null, end: string | null, now: number): string | null {
  if (begin === null) return null;
  return formatDuration(Math.max(0, (end === null ? now : Date.parse(end)) - Date.parse(begin)));
}

function ResourceLines({ training }: { training: TrainingDetail }): JSX.Element {
  return (
    <>
      {resourceLines(training).map((line) => (
        <div key={line}>{line}</div>
      ))}
    </>
  );
}

function ResultsPath({ results }: { results: ResultsLocation }): JSX.Element {
  return (
    <>
      {resultsPath(results)}{" "}
      <CopyButton text={resultsPath(results)} label="Copy location of the results">
        Copy
      </CopyButton>
    </>
  );
}

function resultsPath({ container, location }: ResultsLocation): string {
  return `${container}/${location}`;
}

function eventFilesPath({ event_folder, results }: TrainingDetail): string | null {
  return event_folder !== null && results !== null ? `${resultsPath(results)}/${event_folder}` : event_folder;
}

const optionalBytes = (bytes: number | null | undefined): string => (bytes == null ? "–" : formatBytes(bytes));
