/** Where things are in Airflow's own UI, whose frame we are shown in. */

import type { TaskRef } from "../api";

/** What comes before "/dlaas/": empty, or the path under which Airflow is served. */
export function airflowRoot(pathname: string): string {
  const at = pathname.lastIndexOf("/dlaas/");
  return at < 0 ? "" : pathname.slice(0, at);
}

const part = encodeURIComponent;

export function taskPage(root: string, ref: TaskRef): string {
  const mapped = ref.map_index < 0 ? "" : `/mapped/${ref.map_index}`;
  return `${runOf(root, ref)}/tasks/${part(ref.task_id)}${mapped}/plugin/dlaas-training`;
}

function runOf(root: string, ref: Pick<TaskRef, "dag_id" | "run_id">): string {
  return `${root}/dags/${part(ref.dag_id)}/runs/${part(ref.run_id)}`;
}

/** The tab with all trainings of a run. */
export function runPage(root: string, ref: Pick<TaskRef, "dag_id" | "run_id">): string {
  return `${runOf(root, ref)}/plugin/dlaas-run`;
}

/** The tab with the trainings of all its runs. */
export function dagPage(root: string, dag_id: string): string {
  return `${root}/dags/${part(dag_id)}/plugin/dlaas-dag`;
}

/**
 * Where Airflow's address bar must point for our page at *own* ("/dlaas/trainings?state=running") to be found again:
 * Airflow writes the frame's path behind its own. null where the frame is not such a one.
 */
export function outerAddress(outer: string, own: string): string | null {
  const frame = /^(.*?\/plugin\/[^/]+)(?:\/|$)/.exec(outer)?.[1];
  return frame === undefined || !/\/dlaas\/trainings(\?|$)/.test(own) ? null : frame + own;
}
