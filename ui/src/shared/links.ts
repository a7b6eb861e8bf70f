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

/** Query parameters that name what a page shows. In a tab, Airflow's own path has them. */
const IDENTITY = ["dag_id", "run_id", "task_id", "map_index"];

/**
 * The address that Airflow's address bar must have to open this page at *pagePath* ("/dlaas/trainings?state=running")
 * again; null where this page is not in a frame of Airflow's.
 *
 * For an entry of the navigation, Airflow appends the frame's path to its own. For a tab it does not, so the settings
 * are in the fragment, which Airflow ignores and `withFragment` reads.
 */
export function airflowAddress(airflowPath: string, pagePath: string): string | null {
  const frame = /^(.*?\/plugin\/dlaas-([^/]+))(?:\/|$)/.exec(airflowPath);
  if (frame === null) return null;
  if (frame[2] === "trainings") return /\/dlaas\/trainings(\?|$)/.test(pagePath) ? frame[1] + pagePath : null;
  const settings = new URLSearchParams(pagePath.split("?")[1] ?? "");
  IDENTITY.forEach((name) => settings.delete(name));
  return frame[1] + (settings.size > 0 ? `#${settings}` : "");
}

/** *query* with the settings in *fragment*, the hash of Airflow's URL; a fragment can't change what a page shows. */
export function withFragment(query: URLSearchParams, fragment: string): URLSearchParams {
  const merged = new URLSearchParams(query);
  new URLSearchParams(fragment.replace(/^#/, "")).forEach((value, name) => {
    if (!IDENTITY.includes(name)) merged.set(name, value);
  });
  return merged;
}
