/** Which states of tasks and trainings are final, and what that means for the page. */

import type { TaskResponse, TrainingState } from "../api/types";

/** Milliseconds between two requests while a training runs. */
export const POLL_INTERVAL = 2_000;

const FINAL_STATES: ReadonlySet<TrainingState | null> = new Set(["completed", "error", "canceled"]);

const FINAL_TASK_STATES = new Set(["success", "failed", "skipped", "upstream_failed", "removed"]);

export const isFinalState = (state: TrainingState | null): boolean => FINAL_STATES.has(state);

/** Whether nothing can change any more: the training is final, and so is the task, so that no other try follows. */
export function isFinished(view: TaskResponse): boolean {
  const isFinal = view.training !== null && isFinalState(view.training.state) && view.service_error === null;
  return FINAL_TASK_STATES.has(view.task.state ?? "") && (isFinal || view.training === null);
}

/** The text of the page while there is no training to show. */
export function missingTrainingText(view: TaskResponse | null): string {
  if (view === null) return "Loading …";
  const isFinal = FINAL_TASK_STATES.has(view.task.state ?? "");
  return isFinal ? "This task has not submitted a training." : "This task has not submitted a training yet.";
}
