/** The "Training" tab of a task. */

import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";

import { fetchJson } from "../api/client";
import type { CurvesResponse, TaskResponse, TrainingDetail } from "../api/types";
import { formatTime } from "../shared/format";
import { StateBadge } from "../shared/StateBadge";
import { usePolling } from "../shared/usePolling";
import { CancelButton } from "../task/CancelButton";
import { LogView } from "../task/LogView";
import { MetricCharts } from "../task/MetricCharts";
import { PhaseTimeline, TrainingFacts } from "../task/TrainingFacts";

/** Milliseconds between two requests while a training runs. */
const POLL_INTERVAL = 2_000;

/** Points of each curve: about one for each pixel of a wide chart. */
const POINTS_PER_CURVE = "1000";

const FINAL_STATES = new Set(["completed", "error", "canceled"]);

const FINAL_TASK_STATES = new Set(["success", "failed", "skipped", "upstream_failed", "removed"]);

export function TaskPage({ query }: { query: URLSearchParams }): JSX.Element {
  const ref = useMemo(() => taskInstanceQuery(query), [query]);
  const [chosenId, setChosenId] = useState<string | null>(null);
  const task = usePolling<TaskResponse>({
    key: JSON.stringify([ref, chosenId]),
    fetchData: async (previous, signal) => {
      const view = await fetchJson<TaskResponse>(
        "task",
        { ...ref, ...(chosenId && { training_id: chosenId }) },
        signal,
      );
      return keepLastTraining(previous, view, chosenId);
    },
    interval: () => POLL_INTERVAL,
    isDone: isFinished,
  });
  const view = task.data;
  const training = view?.training ?? null;
  const error = task.error ?? view?.service_error ?? null;
  return (
    <div class="task">
      {error && (
        <p class="notice" role="status">
          {error}
        </p>
      )}
      {view !== null && training !== null ? (
        <TrainingView
          view={view}
          training={training}
          onChooseTry={setChosenId}
          refresh={task.refresh}
          query={{ ...ref, training_id: training.id ?? "" }}
        />
      ) : (
        error === null && (
          <p class="quiet" role="status">
            {missingTrainingText(view)}
          </p>
        )
      )}
    </div>
  );
}

/** The task instance that the page's URL names, as query parameters; "-1" where the map index is missing or no number. */
function taskInstanceQuery(query: URLSearchParams): Record<string, string> {
  const at = (name: string): string => query.get(name) ?? "";
  const index = Number(query.get("map_index") ?? -1);
  const map_index = String(Number.isInteger(index) ? index : -1);
  return { dag_id: at("dag_id"), run_id: at("run_id"), task_id: at("task_id"), map_index };
}

function missingTrainingText(view: TaskResponse | null): string {
  if (view === null) return "Loading …";
  const isFinal = FINAL_TASK_STATES.has(view.task.state ?? "");
  return isFinal ? "This task has not submitted a training." : "This task has not submitted a training yet.";
}

/** *view*, with the training of *previous* where the service does not answer now. */
function keepLastTraining(previous: TaskResponse | null, view: TaskResponse, chosenId: string | null): TaskResponse {
  const isMissing = view.training === null && view.service_error !== null;
  const isSame = previous?.training && (chosenId ?? previous.training.id) === previous.training.id;
  return isMissing && isSame ? { ...previous, task: view.task, service_error: view.service_error } : view;
}

/** Whether nothing can change any more: the training is final, and so is the task, so that no other try follows. */
function isFinished(view: TaskResponse): boolean {
  const isFinal = view.training !== null && FINAL_STATES.has(view.training.state ?? "") && view.service_error === null;
  return FINAL_TASK_STATES.has(view.task.state ?? "") && (isFinal || view.training === null);
}

interface TrainingProps {
  view: TaskResponse;
  training: TrainingDetail;
  onChooseTry: (id: string) => void;
  refresh: () => void;
  query: Record<string, string>;
}

function TrainingView(props: TrainingProps): JSX.Element {
  const { training, query } = props;
  const curves = usePolling<CurvesResponse>({
    key: JSON.stringify(query),
    fetchData: async (previous, signal) => {
      const unless: Record<string, string> = previous ? { unless: previous.version } : {};
      const response = await fetchJson<CurvesResponse>(
        "curves",
        { ...query, points: POINTS_PER_CURVE, ...unless },
        signal,
      );
      return { ...response, series: response.series ?? previous?.series ?? [] };
    },
    interval: () => POLL_INTERVAL,
    isDone: (response) => response.complete,
  });
  return (
    <>
      <TrainingHeader {...props} />
      {training.source === "task" && (
        <p class="notice">
          The service does not return this training now. The page shows the summary that the task stored.
        </p>
      )}
      {training.errors.map((error) => (
        <p key={error.code} class="notice notice-bad">
          {error.code}: {error.message}
        </p>
      ))}
      <PhaseTimeline phases={training.phases} now={Date.now()} />
      <TrainingFacts training={training} />
      <h2>Metrics</h2>
      {curves.error && (
        <p class="notice" role="status">
          {curves.error}
        </p>
      )}
      {curves.data && <MetricCharts series={curves.data.series ?? []} />}
      {training.source === "service" && (
        <>
          <h2>Log</h2>
          <LogView key={training.id} query={query} />
        </>
      )}
      <ParameterTable parameters={training.parameters} />
      <details>
        <summary>Training definition</summary>
        <pre tabIndex={0}>{JSON.stringify(training.definition, null, 2)}</pre>
      </details>
    </>
  );
}

function TrainingHeader({ view, training, onChooseTry, refresh }: TrainingProps): JSX.Element {
  const isFinal = FINAL_STATES.has(training.state ?? "");
  return (
    <header class="task-head">
      <h1>{training.name}</h1>
      <StateBadge state={training.state} id={training.id} />
      {!isFinal && training.phase && <span class="quiet">{training.phase}</span>}
      <span class="task-id">{training.id}</span>
      <span class="grow" />
      {view.tries.length > 1 && (
        <label>
          Try{" "}
          <select value={training.id ?? ""} onChange={(event) => onChooseTry(event.currentTarget.value)}>
            {view.tries.map((one, index) => (
              <option key={one.id} value={one.id}>
                {view.tries.length - index}: {one.state}, {formatTime(one.submitted_at)}
              </option>
            ))}
          </select>
        </label>
      )}
      {!isFinal && training.cancel_requested && <span role="status">Cancel requested</span>}
      {!isFinal && !training.cancel_requested && view.may_edit && training.id && training.source === "service" && (
        <CancelButton taskRef={training.ref} trainingId={training.id} onCanceled={refresh} />
      )}
    </header>
  );
}

function ParameterTable({ parameters }: { parameters: Record<string, string> }): JSX.Element | null {
  const rows = Object.entries(parameters);
  if (rows.length === 0) return null;
  return (
    <>
      <h2>Parameters</h2>
      <table class="plain">
        <tbody>
          {rows.map(([name, value]) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td>{value}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}
