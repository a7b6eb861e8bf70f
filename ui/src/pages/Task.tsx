/** The "Training" tab of a task. */

import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";

import type { Curves, Series, TaskView, Training } from "../api";
import { formatTime, get, StateMark } from "../listing/core";
import { Cancel } from "../task/Cancel";
import { Charts } from "../task/Charts";
import { Facts, Phases } from "../task/Facts";
import { LogView } from "../task/LogView";
import { useLive } from "../task/useLive";

/** Milliseconds between two looks at a training that runs. */
const EVERY = 2000;

const FINAL = new Set(["completed", "error", "canceled"]);

export function Task({ query }: { query: URLSearchParams }): JSX.Element {
  const ref = useMemo(() => {
    const [dag_id, run_id, task_id] = ["dag_id", "run_id", "task_id"].map((name) => query.get(name) ?? "");
    const index = Number(query.get("map_index") ?? -1);
    return { dag_id: dag_id ?? "", run_id: run_id ?? "", task_id: task_id ?? "", map_index: String(Number.isInteger(index) ? index : -1) };
  }, [query]);
  const [chosen, setChosen] = useState<string | null>(null);
  const task = useLive<TaskView>(
    async (before, signal) => kept(before, await get("task", { ...ref, ...(chosen ? { training_id: chosen } : {}) }, signal), chosen),
    JSON.stringify([ref, chosen]),
    EVERY,
    (view) => over(view),
  );
  const view = task.answer;
  const training = view?.training ?? null;
  const trouble = task.trouble ?? view?.trouble ?? null;
  return (
    <div class="task">
      {trouble && <p class="notice" role="status">{trouble}</p>}
      {view === null ? (
        !trouble && <p class="quiet" role="status">Asking …</p>
      ) : training === null ? (
        !trouble && <p class="quiet">This task has not submitted a training{FINAL_TASK.has(view.task.state ?? "") ? "." : " yet."}</p>
      ) : (
        <Whole view={view} training={training} choose={setChosen} again={task.again} query={{ ...ref, training_id: training.id ?? "" }} />
      )}
    </div>
  );
}

const FINAL_TASK = new Set(["success", "failed", "skipped", "upstream_failed", "removed"]);

/** What is shown after *before*: where nothing can be told of the training now, what was told last stays. */
function kept(before: TaskView | null, view: TaskView, chosen: string | null): TaskView {
  const lost = view.training === null && view.trouble !== null;
  const shown = before?.training && (chosen ?? before.training.id) === before.training.id;
  return lost && shown ? { ...before, task: view.task, trouble: view.trouble } : view;
}

/** Whether nothing will change any more: the training has ended, and so has the task, so no other try comes. */
function over(view: TaskView): boolean {
  const ended = view.training !== null && FINAL.has(view.training.state ?? "") && view.trouble === null;
  return FINAL_TASK.has(view.task.state ?? "") && (ended || view.training === null);
}

interface Props {
  view: TaskView;
  training: Training;
  choose: (id: string) => void;
  again: () => void;
  query: Record<string, string>;
}

function Whole({ view, training, choose, again, query }: Props): JSX.Element {
  const final = FINAL.has(training.state ?? "");
  const curves = useLive<{ version: string; series: Series[]; complete: boolean }>(
    async (before, signal) => {
      const asked = { ...query, points: "1000", ...(before ? { unless: before.version } : {}) };
      const answer = await get<Curves>("curves", asked, signal);
      return { version: answer.version, series: answer.series ?? before?.series ?? [], complete: answer.complete };
    },
    JSON.stringify(query),
    EVERY,
    (answer) => answer.complete,
  );
  return (
    <>
      <header class="task-head">
        <h1>{training.name}</h1>
        <StateMark state={training.state} id={training.id} />
        {!final && training.phase && <span class="quiet">{training.phase}</span>}
        <span class="task-id">{training.id}</span>
        <span class="grow" />
        {view.tries.length > 1 && (
          <label>
            Try{" "}
            <select value={training.id ?? ""} onChange={(event) => choose(event.currentTarget.value)}>
              {view.tries.map((one, index) => (
                <option key={one.id} value={one.id}>
                  {view.tries.length - index}: {one.state}, {formatTime(one.submitted_at)}
                </option>
              ))}
            </select>
          </label>
        )}
        {!final && training.cancel_requested && <span role="status">Asked to stop</span>}
        {!final && !training.cancel_requested && view.may_cancel && training.id && training.source === "service" && (
          <Cancel target={training.ref} id={training.id} done={again} />
        )}
      </header>
      {training.source === "task" && <p class="notice">The service does not tell of this training now; this is what the task has kept of it.</p>}
      {training.errors.map((one) => (
        <p key={one.code} class="notice notice-bad">{one.code}: {one.message}</p>
      ))}
      <Phases phases={training.phases} now={Date.now()} />
      <Facts training={training} />
      <h2>Metrics</h2>
      {curves.trouble && <p class="notice" role="status">{curves.trouble}</p>}
      {curves.answer && <Charts series={curves.answer.series} />}
      {training.source === "service" && (
        <>
          <h2>Log</h2>
          <LogView key={training.id} query={query} />
        </>
      )}
      {Object.keys(training.parameters).length > 0 && (
        <>
          <h2>Parameters</h2>
          <table class="plain">
            <tbody>
              {Object.entries(training.parameters).map(([name, value]) => (
                <tr key={name}>
                  <th scope="row">{name}</th>
                  <td>{value}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </>
      )}
      <details>
        <summary>Training definition</summary>
        <pre tabIndex={0}>{JSON.stringify(training.definition, null, 2)}</pre>
      </details>
    </>
  );
}
