/** The form with the filters of a list. */

import type { JSX } from "preact";

import type { TrainingListItem } from "../api/types";
import { selectOptions, NO_FILTERS, type FilterValues, frameworkName } from "./filter";

interface Props {
  all: readonly TrainingListItem[];
  shown: number;
  filters: FilterValues;
  onFilters: (filters: FilterValues) => void;
}

const STATES = ["open", "pending", "running", "completed", "error", "canceled"];

export function FilterForm({ all, shown, filters, onFilters }: Props): JSX.Element {
  const set = (part: Partial<FilterValues>): void => onFilters({ ...filters, ...part });
  const dags = selectOptions(
    all.map(({ ref }) => ref.dag_id),
    filters.dag,
  );
  const frameworks = selectOptions(
    all.map(({ framework }) => frameworkName(framework)),
    filters.framework,
  );
  return (
    <form class="listing-controls" role="search" aria-label="Trainings" onSubmit={(event) => event.preventDefault()}>
      <SelectField label="DAG" value={filters.dag} options={dags} onValue={(dag) => set({ dag })} />
      <SelectField label="State" value={filters.state} options={STATES} onValue={(state) => set({ state })} />
      <SelectField
        label="Framework"
        value={filters.framework}
        options={frameworks}
        onValue={(framework) => set({ framework })}
      />
      <label>
        Text{" "}
        <input
          type="search"
          value={filters.text}
          placeholder="run, task, parameter …"
          onInput={(event) => set({ text: event.currentTarget.value })}
        />
      </label>
      <button
        type="button"
        disabled={Object.values(filters).every((value) => value === "")}
        onClick={() => onFilters(NO_FILTERS)}
      >
        Show all
      </button>
      <output class="listing-count">
        {shown} of {all.length}
      </output>
    </form>
  );
}

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
