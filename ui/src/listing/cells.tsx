/** The columns that every table of trainings can have. */

import type { JSX } from "preact";

import type { Outline, TaskRef } from "../api";
import { formatDuration, formatTime, StateMark, unsaid } from "./core";
import { airflowRoot, dagPage, runPage, taskPage } from "./links";
import { leave } from "./navigate";
import { duration, moment, runLabel, taskLabel } from "./outline";
import type { Column } from "./tabular";
import { turn } from "./queue";

const root = airflowRoot(window.location.pathname);

interface LeaveProps {
  href: string;
  title?: string;
  children: string;
}

/** A link to a page of Airflow, out of our frame. */
export function Leave({ href, title, children }: LeaveProps): JSX.Element {
  return (
    <a href={href} title={title} target="_top" onClick={leave} onAuxClick={leave}>
      {children}
    </a>
  );
}

export function TaskLink({ to }: { to: TaskRef }): JSX.Element {
  return <Leave href={taskPage(root, to)}>{taskLabel(to)}</Leave>;
}

export const task: Column = {
  id: "task",
  title: "Task",
  cell: (one) => taskLabel(one.ref),
  show: (one) => <TaskLink to={one.ref} />,
};

export const dag: Column = {
  id: "dag",
  title: "DAG",
  cell: (one) => one.ref.dag_id,
  show: (one) => <Leave href={dagPage(root, one.ref.dag_id)}>{one.ref.dag_id}</Leave>,
};

export const run: Column = {
  id: "run",
  title: "Run",
  cell: (one) => one.ref.run_id,
  show: (one) => (
    <Leave href={runPage(root, one.ref)} title={one.ref.run_id}>
      {runLabel(one.ref.run_id)}
    </Leave>
  ),
};

export const name: Column = { id: "name", title: "Name", cell: (one) => one.name, show: (one) => one.name };

const stateOf = (one: Outline): string => one.state ?? unsaid(one.id);

export const state: Column = {
  id: "state",
  title: "State",
  cell: stateOf,
  show: (one) => <StateMark state={one.state} id={one.id} />,
};

export const phase: Column = {
  id: "phase",
  title: "Phase",
  cell: (one) => one.phase,
  show: (one) =>
    one.queue_position === null ? (one.phase ?? "–") : `${one.phase ?? "queued"}, ${turn(one.queue_position)}`,
};

export const submitted: Column = {
  id: "submitted",
  title: "Submitted",
  first: "descending",
  cell: (one) => moment(one.submitted_at),
  show: (one) => formatTime(one.submitted_at),
};

export const lasted: Column = {
  id: "duration",
  title: "Duration",
  numeric: true,
  cell: duration,
  show: (one, now) => {
    const took = duration(one, now);
    return took === null ? "–" : formatDuration(took);
  },
};

export const framework: Column = {
  id: "framework",
  title: "Framework",
  cell: (one) => one.framework,
  show: (one) => <span title={one.runtime ?? undefined}>{one.framework}</span>,
};

export const resources: Column = {
  id: "resources",
  title: "Resources",
  cell: (one) => one.resource_type,
  show: (one) => (one.gpus.length > 0 ? `${one.resource_type}: GPU ${one.gpus.join(", ")}` : one.resource_type),
};

export const service: Column = {
  id: "connection",
  title: "Service",
  cell: (one) => one.connection,
  show: (one) => one.connection,
};
