/** The facts of a training. */

import type { ComponentChildren, JSX } from "preact";

import type { ResultsLocation, TrainingDetail } from "../api/types";
import { formatBytes, formatDuration, formatExactTime } from "../shared/format";
import { onAirflowLinkClick } from "../shared/airflowNavigation";
import { BeginningText } from "./AttemptTable";
import { beginning, checkpointText } from "./attempts";
import { resourceLines } from "./resourceText";
import { isFinalState } from "./taskState";
import { type OtherTries, TrainingLink } from "./TrainingLink";
import { CopyButton } from "../shared/CopyButton";

interface FactsProps extends OtherTries {
  training: TrainingDetail;
  /** Milliseconds since the epoch. */
  now: number;
}

export function TrainingFacts({ training, now, ...tries }: FactsProps): JSX.Element {
  const { usage, checkpoint, resumed_from, waits_for } = training;
  const present = isFinalState(training.state) ? null : now;
  const rows: [string, ComponentChildren][] = [
    ["Framework", training.framework],
    ["Runs on", training.runtime],
    ["GPUs", training.gpus.join(", ")],
    ["Resources", <ResourceLines training={training} />],
    ["In the queue", training.queue_position === null ? null : `position ${training.queue_position + 1}`],
    ["Waits for", waits_for && <TrainingLink id={waits_for} {...tries} />],
    ["Resumed from", resumed_from && <BeginningText {...beginning(resumed_from, training)} {...tries} />],
    ["Newest checkpoint", checkpoint && checkpointText(checkpoint, training.attempts.length, present)],
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
