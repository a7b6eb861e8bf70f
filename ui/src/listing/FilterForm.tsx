/** The form with the filters of a list. */

import type { JSX } from "preact";

import type { TrainingListItem } from "../api/types";
import { selectOptions, NO_FILTERS, type FilterValues, frameworkName } from "./filter";

interface Props {
  all: readonly TrainingListItem[];
  shown: number;
  filters: FilterValues;
  onFilters: (filters: FilterValues) => void;
  /** Whether the list is that of one DAG, which the user can't change. */
  ofOneDag?: boolean;
}

const STATES = ["open", "pending", "running", "completed", "error", "canceled", "unknown"];

export function FilterForm({ all, shown, filters, onFilters, ofOneDag = false }: Props): JSX.Element {
  const set = (part: Partial<FilterValues>): void => onFilters({ ...filters, ...part });
  const none: FilterValues = { ...NO_FILTERS, dag: ofOneDag ? filters.dag : "" };
  const isUnfiltered = JSON.stringify({ ...NO_FILTERS, ...filters }) === JSON.stringify(none);
  const dags = selectOptions(
    all.map(({ ref }) => ref.dag_id),
    filters.dag,
  );
  const frameworks = selectOptions(
    all.map(({ framework }) => frameworkName(framework)),
    filters.framework,
  );
  const names = selectOptions(
    all.map(({ name }) => name),
    filters.name,
  );
  const tags = selectOptions(
    all.flatMap((training) => training.tags),
    filters.tag,
  );
  return (
    <form class="listing-controls" role="search" aria-label="Trainings" onSubmit={(event) => event.preventDefault()}>
      {!ofOneDag && <SelectField label="DAG" value={filters.dag} options={dags} onValue={(dag) => set({ dag })} />}
      <SelectField label="State" value={filters.state} options={STATES} onValue={(state) => set({ state })} />
      {isUseful(names, filters.name) && (
        <SelectField label="Name" value={filters.name} options={names} onValue={(name) => set({ name })} />
      )}
      {tags.length > 0 && (
        <SelectField label="Tag" value={filters.tag} options={tags} onValue={(tag) => set({ tag })} />
      )}
      {isUseful(frameworks, filters.framework) && (
        <SelectField
          label="Framework"
          value={filters.framework}
          options={frameworks}
          onValue={(framework) => set({ framework })}
        />
      )}
      <label>
        Text{" "}
        <input
          type="search"
          value={filters.text}
          placeholder="note, run, rate=0.1 …"
          title="Words that must occur in the name, id, note, tags, DAG, run, task, framework, resources or parameters; rate=0.1 is the value of a parameter"
          onInput={(event) => set({ text: event.currentTarget.value })}
        />
      </label>
      <button type="button" disabled={isUnfiltered} onClick={() => onFilters(none)}>
        Show all
      </button>
      <output class="listing-count">
        {shown} of {all.length}
      </output>
    </form>
  );
}

/** Whether a selection can change the list: with one option, all trainings have it. */
const isUseful = (options: readonly string[], selected: string): boolean => options.length > 1 || selected !== "";

interface SelectFieldProps {
  label: string;
  value: string;
  options: readonly string[];
  onValue: (value: string) => void;
}

function SelectField({ label, value, options, onValue }: SelectFieldProps): JSX.Element {
  return (
    <label>
      {label}{" "}
      <select value={value} onChange={(event) => onValue(event.currentTarget.value)}>
        <option value="">all</option>
        {options.map((option) => (
          <option key={option} value={option}>
            {option}
          </option>
        ))}
      </select>
    </label>
  );
}
