/** URLs of pages in Airflow's UI, which shows this page in a frame. */

import type { TaskInstanceRef } from "../api/types";

/** The path before "/dlaas/": the one under which Airflow is served, or empty. */
export function airflowRoot(pathname: string): string {
  const end = pathname.lastIndexOf("/dlaas/");
  return end < 0 ? "" : pathname.slice(0, end);
}

const encode = encodeURIComponent;

export function taskUrl(root: string, ref: TaskInstanceRef): string {
  const mapped = ref.map_index < 0 ? "" : `/mapped/${ref.map_index}`;
  return `${runPath(root, ref)}/tasks/${encode(ref.task_id)}${mapped}/plugin/dlaas-training`;
}

/** A permanent link to the tab of a task that shows the training *training_id*, also one of an earlier try. */
export function trainingUrl(root: string, ref: TaskInstanceRef, training_id: string): string {
  return `${taskUrl(root, ref)}?${new URLSearchParams({ [TRAINING_PARAMETER]: training_id })}`;
}

/** The parameter of the page's URL, or of Airflow's URL around it, that selects one of the task's trainings. */
export const TRAINING_PARAMETER = "training_id";

function runPath(root: string, ref: Pick<TaskInstanceRef, "dag_id" | "run_id">): string {
  return `${root}/dags/${encode(ref.dag_id)}/runs/${encode(ref.run_id)}`;
}

/** The "Trainings" tab of a run. */
export function runTabUrl(root: string, ref: Pick<TaskInstanceRef, "dag_id" | "run_id">): string {
  return `${runPath(root, ref)}/plugin/dlaas-run`;
}

/** The "Trainings" tab of a DAG. */
export function dagTabUrl(root: string, dag_id: string): string {
  return `${root}/dags/${encode(dag_id)}/plugin/dlaas-dag`;
}

/**
 * The address that Airflow's address bar must have to open this page at *pagePath* ("/dlaas/trainings?state=running")
 * again: Airflow appends the frame's path to its own. null where Airflow does not do that for this page.
 */
export function airflowAddress(airflowPath: string, pagePath: string): string | null {
  const frame = /^(.*?\/plugin\/[^/]+)(?:\/|$)/.exec(airflowPath)?.[1];
  return frame === undefined || !/\/dlaas\/trainings(\?|$)/.test(pagePath) ? null : frame + pagePath;
}
