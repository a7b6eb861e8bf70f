/** What follows from one training's outline: who it is, how long it took, what its numbers are. */

import type { Outline, TaskRef } from "../api";

/** Names a training among all others, the not yet submitted too; fit for a row's key. */
export function keyOf(one: Outline): string {
  return one.id === null ? instanceOf(one.ref) : `${one.connection}/${one.id}`;
}

/** Names a task instance. The parts can't hold a line break, so no two instances share a name. */
export function instanceOf(ref: TaskRef): string {
  return [ref.dag_id, ref.run_id, ref.task_id, ref.map_index].join("\n");
}

/** "train", or "train [3]" for the fourth of a mapped task. */
export function taskLabel(ref: Pick<TaskRef, "task_id" | "map_index">): string {
  return ref.map_index < 0 ? ref.task_id : `${ref.task_id} [${ref.map_index}]`;
}

/** "scheduled 2026-11-25 02:00" for Airflow's own ids of runs in UTC; another id as it is. */
export function runLabel(run_id: string): string {
  return run_id.replace(/^([a-z_]+?)__(\d{4}-\d\d-\d\d)T(\d\d:\d\d):[\d.]+(?:\+00:00|Z)/, "$1 $2 $3");
}

export function isFinal(one: Outline): boolean {
  return one.state === "completed" || one.state === "error" || one.state === "canceled";
}

/** Milliseconds since the epoch; null where *time* is missing or no time at all. */
export function moment(time: string | null): number | null {
  const read = time === null ? NaN : Date.parse(time);
  return Number.isFinite(read) ? read : null;
}

/**
 * How long it has run, in milliseconds: to its end, or to *now*. Waiting is not counted, so a training that has not
 * begun has none; nor has one that ended without ever beginning.
 */
export function duration(one: Outline, now: number): number | null {
  const begun = moment(one.running_at);
  const end = isFinal(one) ? moment(one.finished_at) : now;
  return begun === null || end === null ? null : Math.max(0, end - begun);
}

/** How many GPUs it asks for. A type that we don't know counts as one. */
export function gpusWanted(one: Outline): number {
  return { small: 1, medium: 2, large: 3 }[one.resource_type] ?? 1;
}

/** "learningRate 0.01, batch 64", of the *names* that it has. */
export function parametersIn(one: Outline, names: readonly string[]): string {
  return names
    .filter((name) => name in one.parameters)
    .map((name) => `${name} ${one.parameters[name]}`)
    .join(", ");
}
