/** The comparison of a training's data with that of another training of the same DAG. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";

import { fetchJson } from "../api/client";
import type { DataComparison, SourceComparison, TrainingDetail, TrainingList, TrainingListItem } from "../api/types";
import { formatTime } from "../shared/format";
import { usePolling } from "../shared/usePolling";
import { comparisonText, sourceName } from "./dataText";
import { isFinalState } from "./taskState";

/** Milliseconds after which a request that failed is repeated. */
const RETRY_INTERVAL = 10_000;

/** Trainings among which the user can choose. */
const CHOICES = "100";

interface Props {
  training: TrainingDetail;
  query: Record<string, string>;
}

export function DataComparisonView({ training, query }: Props): JSX.Element {
  const [isOpen, setIsOpen] = useState(false);
  return (
    <details onToggle={(event) => setIsOpen(event.currentTarget.open)}>
      <summary>Compare with another training</summary>
      {isOpen && <Comparison training={training} query={query} />}
    </details>
  );
}

function Comparison({ training, query }: Props): JSX.Element {
  const [chosenId, setChosenId] = useState("");
  const { data, error } = usePolling<TrainingList>({
    key: training.ref.dag_id,
    fetchData: (_, signal) => fetchJson<TrainingList>("dag", { dag_id: training.ref.dag_id, limit: CHOICES }, signal),
    interval: () => RETRY_INTERVAL,
    isDone: () => true,
  });
  if (data === null)
    return (
      <p class="quiet" role="status">
        {error ?? "Loading …"}
      </p>
    );
  const others = data.trainings.filter((one) => one.id !== null && one.id !== training.id && isFinalState(one.state));
  if (others.length === 0) return <p class="quiet">No other training of this DAG has ended.</p>;
  const other = others.find((one) => one.id === chosenId);
  return (
    <>
      <label>
        Other training:{" "}
        <select value={chosenId} onChange={(event) => setChosenId(event.currentTarget.value)}>
          <option value="">–</option>
          {others.map((one) => (
            <option key={one.id} value={one.id ?? ""}>
              {one.ref.task_id}, {formatTime(one.submitted_at)}, {one.state} ({one.id})
            </option>
          ))}
        </select>
      </label>
      {other && <Differences key={other.id} other={other} query={query} />}
    </>
  );
}

function Differences({ other, query }: { other: TrainingListItem; query: Record<string, string> }): JSX.Element {
  const { data, error } = usePolling<DataComparison>({
    key: JSON.stringify([query, other.id]),
    fetchData: (_, signal) =>
      fetchJson<DataComparison>(
        "data/compare",
        {
          ...query,
          other_run_id: other.ref.run_id,
          other_task_id: other.ref.task_id,
          other_map_index: String(other.ref.map_index),
          other_training_id: other.id ?? "",
        },
        signal,
      ),
    interval: () => RETRY_INTERVAL,
    isDone: () => true,
  });
  if (data === null)
    return (
      <p class="quiet" role="status">
        {error ?? "Loading …"}
      </p>
    );
  return (
    <>
      <p role="status">{data.equal ? "Both trainings read the same data." : "The trainings read different data:"}</p>
      {!data.equal && (
        <ul>
          {data.sources.map((source, index) => (
            <li key={index}>
              {sourceName(source)}: {comparisonText(source)}
              <Names title="added" names={source.added} total={source.added_total} />
              <Names title="removed" names={source.removed} total={source.removed_total} />
              <Names title="changed" names={source.changed} total={source.changed_total} />
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

interface NamesProps {
  title: string;
  names: SourceComparison["added"];
  total: number;
}

function Names({ title, names, total }: NamesProps): JSX.Element | null {
  if (names.length === 0) return null;
  return (
    <details>
      <summary>
        {total} {title}
      </summary>
      <pre tabIndex={0}>{names.join("\n") + (names.length < total ? "\n…" : "")}</pre>
    </details>
  );
}
