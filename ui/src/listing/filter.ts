/** Which trainings a list shows, and the same as a URL's query: whoever opens the link sees the same list. */

import type { Outline } from "../api";

export interface Filters {
  dag: string;
  /** A state's name, or "open" for all that have not ended. */
  state: string;
  framework: string;
  /** Words; all must occur somewhere in what the row shows. */
  text: string;
}

export const EVERYTHING: Filters = { dag: "", state: "", framework: "", text: "" };

const KEYS = { dag: "dag_id", state: "state", framework: "framework", text: "q" } as const;

export function readFilters(query: URLSearchParams): Filters {
  const at = (key: string): string => query.get(key) ?? "";
  return { dag: at(KEYS.dag), state: at(KEYS.state), framework: at(KEYS.framework), text: at(KEYS.text) };
}

/** *query* with *filters* in it; what else it says stays. */
export function writeFilters(query: URLSearchParams, filters: Filters): URLSearchParams {
  const written = new URLSearchParams(query);
  for (const name of Object.keys(KEYS) as (keyof Filters)[]) {
    if (filters[name] === "") written.delete(KEYS[name]);
    else written.set(KEYS[name], filters[name]);
  }
  return written;
}

/** "tensorflow" of "tensorflow 2.21". */
export function frameworkName(framework: string): string {
  return framework.split(" ", 1)[0] ?? "";
}

function said(one: Outline): string {
  const parameters = Object.entries(one.parameters).map(([name, value]) => `${name} ${value}`);
  return [one.name, one.ref.dag_id, one.ref.run_id, one.ref.task_id, one.id, one.connection, one.framework]
    .concat([one.runtime, one.resource_type, one.state, one.phase], parameters)
    .join("\n")
    .toLowerCase();
}

function stateFits(one: Outline, wanted: string): boolean {
  if (wanted === "") return true;
  const state = one.state ?? "pending"; // not submitted yet: to a person it waits
  return wanted === "open" ? state === "pending" || state === "running" : state === wanted;
}

export function filtered(all: readonly Outline[], filters: Filters): Outline[] {
  const words = filters.text.toLowerCase().split(/\s+/).filter(Boolean);
  return all.filter((one) => {
    if (filters.dag !== "" && one.ref.dag_id !== filters.dag) return false;
    if (!stateFits(one, filters.state)) return false;
    if (filters.framework !== "" && frameworkName(one.framework) !== filters.framework) return false;
    const text = words.length > 0 ? said(one) : "";
    return words.every((word) => text.includes(word));
  });
}

/** What there is to choose from; *chosen* too, so that a shared link's choice never vanishes from its list. */
export function choices(values: Iterable<string>, chosen: string): string[] {
  const all = new Set(values);
  if (chosen !== "") all.add(chosen);
  all.delete("");
  return [...all].sort();
}
