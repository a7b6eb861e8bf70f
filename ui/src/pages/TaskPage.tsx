/** The "Training" tab of a task. */

import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";

import { fetchJson, ResponseError } from "../api/client";
import type { TaskResponse } from "../api/types";
import { addressParameter, setAddressParameter } from "../shared/airflowNavigation";
import { TRAINING_PARAMETER } from "../shared/links";
import { usePolling } from "../shared/usePolling";
import { NarrowFrameLink } from "../task/NarrowFrameLink";
import { TrainingView } from "../task/TrainingView";
import { isFinished, missingTrainingText, POLL_INTERVAL } from "../task/taskState";
import "../task/task.css";

export function TaskPage({ query }: { query: URLSearchParams }): JSX.Element {
  const ref = useMemo(() => taskInstanceQuery(query), [query]);
  const [chosenId, setChosenId] = useState(() => addressParameter(TRAINING_PARAMETER));
  const [unknownId, setUnknownId] = useState<string | null>(null);
  const choose = (id: string | null): void => {
    setAddressParameter(TRAINING_PARAMETER, id);
    setChosenId(id);
    setUnknownId(null);
  };
  const task = usePolling<TaskResponse>({
    key: JSON.stringify([ref, chosenId]),
    fetchData: async (previous, signal) => {
      try {
        const view = await fetchJson<TaskResponse>(
          "task",
          { ...ref, ...(chosenId && { training_id: chosenId }) },
          signal,
        );
        return keepLastTraining(previous, view, chosenId);
      } catch (error) {
        // Airflow keeps the parameters of a permanent link while the user goes on to other tasks.
        if (chosenId !== null && error instanceof ResponseError && error.status === 404) {
          choose(null);
          setUnknownId(chosenId);
        }
        throw error;
      }
    },
    interval: () => POLL_INTERVAL,
    isDone: isFinished,
  });
  const view = task.data;
  const training = view?.training ?? null;
  const error = task.error ?? view?.service_error ?? null;
  return (
    <div class="task">
      <NarrowFrameLink />
      {error && (
        <p class="notice" role="status">
          {error}
        </p>
      )}
      {error && chosenId !== null && training === null && (
        <button type="button" onClick={() => choose(null)}>
          Show the current training of the task
        </button>
      )}
      {unknownId && training !== null && (
        <p class="notice" role="status">
          This task has no training {unknownId}; the page shows its current one.
        </p>
      )}
      {view !== null && training !== null ? (
        <TrainingView
          view={view}
          training={training}
          onChooseTry={(id) => choose(isCurrent(view, id) ? null : id)}
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

const isCurrent = (view: TaskResponse, id: string): boolean => view.tries.some((one) => one.id === id && one.current);

/** The task instance that the page's URL names, as query parameters; "-1" where the map index is missing or no number. */
function taskInstanceQuery(query: URLSearchParams): Record<string, string> {
  const at = (name: string): string => query.get(name) ?? "";
  const index = Number(query.get("map_index") ?? -1);
  const map_index = String(Number.isInteger(index) ? index : -1);
  return { dag_id: at("dag_id"), run_id: at("run_id"), task_id: at("task_id"), map_index };
}

/** *view*, with the training of *previous* where the service does not answer now. */
function keepLastTraining(previous: TaskResponse | null, view: TaskResponse, chosenId: string | null): TaskResponse {
  const isMissing = view.training === null && view.service_error !== null;
  const isSame = previous?.training && (chosenId ?? previous.training.id) === previous.training.id;
  return isMissing && isSame ? { ...previous, task: view.task, service_error: view.service_error } : view;
}
