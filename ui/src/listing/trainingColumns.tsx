/** The columns of tables of trainings, and links to pages of Airflow. */

import type { JSX } from "preact";

import type { TrainingListItem, TaskInstanceRef } from "../api/types";
import { StateBadge, missingStateText } from "../shared/StateBadge";
import { formatDuration, formatTime } from "../shared/format";
import { airflowRoot, dagTabUrl, runTabUrl, taskUrl } from "../shared/links";
import { onAirflowLinkClick } from "../shared/airflowNavigation";
import { runDuration, parseTime, runLabel, taskLabel } from "./trainingFields";
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
  render: (training) => <AirflowLink href={dagTabUrl(root, training.ref.dag_id)}>{training.ref.dag_id}</AirflowLink>,
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
  render: (training) => <StateBadge state={training.state} id={training.id} />,
};

export const phase: Column = {
  id: "phase",
  title: "Phase",
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
  render: (training) => formatTime(training.submitted_at),
};

export const elapsed: Column = {
  id: "duration",
  title: "Duration",
  numeric: true,
  sortValue: runDuration,
  render: (training, now) => {
    const duration = runDuration(training, now);
    return duration === null ? "–" : formatDuration(duration);
  },
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
