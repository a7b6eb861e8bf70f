/** The filters of a list of trainings, also as the query of a URL, so that a link shows the same list. */

import type { TrainingListItem } from "../api/types";

export interface FilterValues {
  dag: string;
  /** The name of a state, or "open" for all that are not final. */
  state: string;
  framework: string;
  /** Words, each of which must occur in a field of the training. */
  text: string;
}

export const NO_FILTERS: FilterValues = { dag: "", state: "", framework: "", text: "" };

const QUERY_KEYS = { dag: "dag_id", state: "state", framework: "framework", text: "q" } as const;

export function parseFilters(query: URLSearchParams): FilterValues {
  const value = (key: string): string => query.get(key) ?? "";
  return {
    dag: value(QUERY_KEYS.dag),
    state: value(QUERY_KEYS.state),
    framework: value(QUERY_KEYS.framework),
    text: value(QUERY_KEYS.text),
  };
}

/** *query* with *filters*; its other parameters stay. */
export function filtersToQuery(query: URLSearchParams, filters: FilterValues): URLSearchParams {
  const written = new URLSearchParams(query);
  for (const name of Object.keys(QUERY_KEYS) as (keyof FilterValues)[]) {
    if (filters[name] === "") written.delete(QUERY_KEYS[name]);
    else written.set(QUERY_KEYS[name], filters[name]);
  }
  return written;
}

/** "tensorflow" of "tensorflow 2.21". */
export function frameworkName(framework: string): string {
  return framework.split(" ", 1)[0] ?? "";
}

function searchText(training: TrainingListItem): string {
  const parameters = Object.entries(training.parameters).map(([name, value]) => `${name} ${value}`);
  return [
    training.name,
    training.ref.dag_id,
    training.ref.run_id,
    training.ref.task_id,
    training.id,
    training.connection,
    training.framework,
  ]
    .concat([training.runtime, training.resource_type, training.state, training.phase], parameters)
    .join("\n")
    .toLowerCase();
}

function matchesState(training: TrainingListItem, wanted: string): boolean {
  if (wanted === "") return true;
  const state = training.state ?? "pending"; // one that is not submitted yet is shown as pending
  return wanted === "open" ? state === "pending" || state === "running" : state === wanted;
}

export function filterTrainings(all: readonly TrainingListItem[], filters: FilterValues): TrainingListItem[] {
  const words = filters.text.toLowerCase().split(/\s+/).filter(Boolean);
  return all.filter((training) => {
    if (filters.dag !== "" && training.ref.dag_id !== filters.dag) return false;
    if (!matchesState(training, filters.state)) return false;
    if (filters.framework !== "" && frameworkName(training.framework) !== filters.framework) return false;
    const text = words.length > 0 ? searchText(training) : "";
    return words.every((word) => text.includes(word));
  });
}

/** The options of a select field, always with *selected*: a link may select a value that no training has. */
export function selectOptions(values: Iterable<string>, selected: string): string[] {
  const all = new Set(values);
  if (selected !== "") all.add(selected);
  all.delete("");
  return [...all].sort();
}
