/** The columns of tables of trainings, and links to pages of Airflow. */

import type { JSX } from "preact";

import type { TrainingListItem, TaskInstanceRef } from "../api/types";
import { StateBadge, missingStateText } from "../shared/StateBadge";
import { formatDuration, formatExactTime, formatTime } from "../shared/format";
import { airflowRoot, dagTabUrl, runTabUrl, taskUrl } from "../shared/links";
import { attemptText } from "../task/attempts";
import { onAirflowLinkClick } from "../shared/airflowNavigation";
import { CopyButton } from "../shared/CopyButton";
import { runDuration, parseTime, runLabel, shortId, taskLabel, totalDuration } from "./trainingFields";
import type { Column } from "./tableColumns";
import { queuePositionText } from "./gpuQueue";

const root = airflowRoot(window.location.pathname);

interface AirflowLinkProps {
  href: string;
  title?: string;
  children: string;
}

/** A link out of this frame to a page of Airflow. */
export function AirflowLink({ href, title, children }: AirflowLinkProps): JSX.Element {
  return (
    <a href={href} title={title} target="_top" onClick={onAirflowLinkClick} onAuxClick={onAirflowLinkClick}>
      {children}
    </a>
  );
}

export function TaskLink({ taskRef }: { taskRef: TaskInstanceRef }): JSX.Element {
  return <AirflowLink href={taskUrl(root, taskRef)}>{taskLabel(taskRef)}</AirflowLink>;
}

export const task: Column = {
  id: "task",
  title: "Task",
  sortValue: (training) => taskLabel(training.ref),
  render: (training) => <TaskLink taskRef={training.ref} />,
};

export const dag: Column = {
  id: "dag",
  title: "DAG",
  sortValue: (training) => training.ref.dag_id,
  render: ({ ref }) => (
    <span class="listing-long">
      <AirflowLink href={dagTabUrl(root, ref.dag_id)} title={ref.dag_id}>
        {ref.dag_id}
      </AirflowLink>
    </span>
  ),
};

export const run: Column = {
  id: "run",
  title: "Run",
  sortValue: (training) => training.ref.run_id,
  render: (training) => (
    <AirflowLink href={runTabUrl(root, training.ref)} title={training.ref.run_id}>
      {runLabel(training.ref.run_id)}
    </AirflowLink>
  ),
};

export const name: Column = {
  id: "name",
  title: "Name",
  sortValue: (training) => training.name,
  render: (training) => training.name,
};

const stateText = (training: TrainingListItem): string => training.state ?? missingStateText(training.id);

export const state: Column = {
  id: "state",
  title: "State",
  sortValue: stateText,
  render: (training) => (
    <>
      <StateBadge state={training.state} id={training.id} />
      {(training.attempt ?? 1) > 1 && <span class="listing-tag listing-attempt">{attemptText(training)?.toLowerCase()}</span>}
    </>
  ),
};

export const phase: Column = {
  id: "phase",
  title: "Phase",
  hasValue: (training) => training.phase !== null || training.queue_position !== null,
  sortValue: (training) => training.phase,
  render: (training) =>
    training.queue_position === null
      ? (training.phase ?? "–")
      : `${training.phase ?? "queued"}, ${queuePositionText(training.queue_position)}`,
};

export const submitted: Column = {
  id: "submitted",
  title: "Submitted",
  initialOrder: "descending",
  sortValue: (training) => parseTime(training.submitted_at),
  render: ({ submitted_at }) => <span title={formatExactTime(submitted_at)}>{formatTime(submitted_at)}</span>,
};

const durationText = (duration: number | null): string => (duration === null ? "–" : formatDuration(duration));

export const elapsed: Column = {
  id: "duration",
  title: "Duration",
  remark: "without waiting",
  numeric: true,
  sortValue: runDuration,
  render: (training, now) => durationText(runDuration(training, now)),
};

export const total: Column = {
  id: "total",
  title: "Total duration",
  remark: "with waiting",
  numeric: true,
  sortValue: totalDuration,
  render: (training, now) => durationText(totalDuration(training, now)),
};

export const id: Column = {
  id: "id",
  title: "Id",
  sortValue: (training) => training.id,
  render: ({ id }) =>
    id === null ? (
      "–"
    ) : (
      <span class="listing-id">
        <span aria-hidden="true" title={id}>
          {shortId(id)}
        </span>
        <span class="listing-hidden">{id}</span>{" "}
        <CopyButton text={id} label={`Copy the id ${id}`}>
          <CopyIcon />
        </CopyButton>
      </span>
    ),
};

function CopyIcon(): JSX.Element {
  return (
    <svg aria-hidden="true" width="13" height="13" viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="1.5">
      <rect x="5.5" y="5.5" width="9" height="9" rx="1.5" />
      <path d="M3.5 10.5h-1a1 1 0 0 1-1-1v-7a1 1 0 0 1 1-1h7a1 1 0 0 1 1 1v1" />
    </svg>
  );
}

export const note: Column = {
  id: "note",
  title: "Note",
  hasValue: (training) => training.note !== "",
  sortValue: (training) => training.note,
  render: (training) => (
    <span class="listing-long" title={training.note}>
      {training.note || "–"}
    </span>
  ),
};

export const tags: Column = {
  id: "tags",
  title: "Tags",
  hasValue: (training) => training.tags.length > 0,
  sortValue: (training) => training.tags.join(" "),
  render: (training) =>
    training.tags.length === 0
      ? "–"
      : training.tags.map((tag) => (
          <span key={tag} class="listing-tag">
            {tag}
          </span>
        )),
};

export const framework: Column = {
  id: "framework",
  title: "Framework",
  sortValue: (training) => training.framework,
  render: (training) => <span title={training.runtime ?? undefined}>{training.framework}</span>,
};

export const resources: Column = {
  id: "resources",
  title: "Resources",
  sortValue: (training) => training.resource_type,
  render: (training) =>
    training.gpus.length > 0 ? `${training.resource_type}: GPU ${training.gpus.join(", ")}` : training.resource_type,
};

export const service: Column = {
  id: "connection",
  title: "Service",
  sortValue: (training) => training.connection,
  render: (training) => training.connection,
};
