/** The filters of a list of trainings, also as the query of a URL, so that a link shows the same list. */

import type { TrainingListItem } from "../api/types";
import { withValues } from "./queryValues";
import { parseCell } from "./sort";
import { isUnknown } from "./trainingFields";

export interface FilterValues {
  dag: string;
  /** The name of a state, "open" for pending and running, or "unknown". */
  state: string;
  name: string;
  tag: string;
  framework: string;
  /** Words, each of which must occur in a field of the training; "rate=0.1" is the value of a parameter. */
  text: string;
}

export const NO_FILTERS: FilterValues = { dag: "", state: "", name: "", tag: "", framework: "", text: "" };

const QUERY_KEYS = {
  dag: "dag_id",
  state: "state",
  name: "name",
  tag: "tag",
  framework: "framework",
  text: "q",
} as const;

export function parseFilters(query: URLSearchParams): FilterValues {
  const value = (key: string): string => query.get(key) ?? "";
  return {
    dag: value(QUERY_KEYS.dag),
    state: value(QUERY_KEYS.state),
    name: value(QUERY_KEYS.name),
    tag: value(QUERY_KEYS.tag),
    framework: value(QUERY_KEYS.framework),
    text: value(QUERY_KEYS.text),
  };
}

/** *query* with *filters*; its other parameters stay. */
export function filtersToQuery(query: URLSearchParams, filters: FilterValues): URLSearchParams {
  const names = Object.keys(QUERY_KEYS) as (keyof FilterValues)[];
  return withValues(query, Object.fromEntries(names.map((name) => [QUERY_KEYS[name], filters[name]])));
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
    .concat(training.note, training.tags)
    .join("\n")
    .toLowerCase();
}

function matchesState(training: TrainingListItem, wanted: string): boolean {
  if (wanted === "") return true;
  if (isUnknown(training) || wanted === "unknown") return isUnknown(training) && wanted === "unknown";
  const state = training.state ?? "pending"; // one that is not submitted yet is shown as pending
  return wanted === "open" ? state === "pending" || state === "running" : state === wanted;
}

/** Whether *word*, "rate=0.1", names a parameter of *training* and its value; numbers are compared as numbers. */
function matchesParameter(training: TrainingListItem, word: string): boolean {
  const [name, wanted] = word.split(/=(.*)/s, 2);
  return Object.entries(training.parameters).some(
    ([key, value]) =>
      key.toLowerCase() === name && (value.toLowerCase() === wanted || parseCell(value) === parseCell(wanted)),
  );
}

export function filterTrainings(all: readonly TrainingListItem[], filters: FilterValues): TrainingListItem[] {
  const words = filters.text.toLowerCase().split(/\s+/).filter(Boolean);
  return all.filter((training) => {
    if (filters.dag !== "" && training.ref.dag_id !== filters.dag) return false;
    if (!matchesState(training, filters.state)) return false;
    if (filters.name !== "" && training.name !== filters.name) return false;
    if (filters.tag !== "" && !training.tags.includes(filters.tag)) return false;
    if (filters.framework !== "" && frameworkName(training.framework) !== filters.framework) return false;
    const text = words.length > 0 ? searchText(training) : "";
    return words.every((word) => text.includes(word) || matchesParameter(training, word));
  });
}

/** The options of a select field, always with *selected*: a link may select a value that no training has. */
export function selectOptions(values: Iterable<string>, selected: string): string[] {
  const all = new Set(values);
  if (selected !== "") all.add(selected);
  all.delete("");
  return [...all].sort();
}
