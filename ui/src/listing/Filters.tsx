/** Inputs that narrow a list. */

import type { JSX } from "preact";

import type { Outline } from "../api";
import { choices, EVERYTHING, type Filters as Chosen, frameworkName } from "./filter";

interface Props {
  all: readonly Outline[];
  shown: number;
  filters: Chosen;
  onFilters: (filters: Chosen) => void;
}

const STATES = ["open", "pending", "running", "completed", "error", "canceled"];

export function Filters({ all, shown, filters, onFilters }: Props): JSX.Element {
  const set = (part: Partial<Chosen>): void => onFilters({ ...filters, ...part });
  const dags = choices(all.map((one) => one.ref.dag_id), filters.dag); // prettier-ignore
  const frameworks = choices(all.map((one) => frameworkName(one.framework)), filters.framework); // prettier-ignore
  return (
    <form class="listing-controls" role="search" aria-label="Trainings" onSubmit={(event) => event.preventDefault()}>
      <Choose label="DAG" value={filters.dag} from={dags} onValue={(dag) => set({ dag })} />
      <Choose label="State" value={filters.state} from={STATES} onValue={(state) => set({ state })} />
      <Choose
        label="Framework"
        value={filters.framework}
        from={frameworks}
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
        onClick={() => onFilters(EVERYTHING)}
      >
        Show all
      </button>
      <output class="listing-count">
        {shown} of {all.length}
      </output>
    </form>
  );
}

interface ChooseProps {
  label: string;
  value: string;
  from: readonly string[];
  onValue: (value: string) => void;
}

function Choose({ label, value, from, onValue }: ChooseProps): JSX.Element {
  return (
    <label>
      {label}{" "}
      <select value={value} onChange={(event) => onValue(event.currentTarget.value)}>
        <option value="">all</option>
        {from.map((one) => (
          <option key={one} value={one}>
            {one}
          </option>
        ))}
      </select>
    </label>
  );
}
