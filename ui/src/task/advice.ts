/** What a user can do where a task and its training have ended in different ways. */

import type { TaskInstanceStatus, TrainingDetail } from "../api/types";

type TaskStatus = Pick<TaskInstanceStatus, "state" | "operator">;
type TrainingStatus = Pick<TrainingDetail, "state" | "cancel_requested">;

/** One or two sentences about the current training of a task; null where there is nothing to do. */
export function adviceFor(task: TaskStatus, training: TrainingStatus): string | null {
  const isSensor = task.operator === "TrainingSensor";
  if (training.state === "completed" && task.state === "up_for_retry")
    return (
      "The training completed, but the task failed after it, and Airflow is about to try the task again. " +
      "The next try takes the result of this training, and trains nothing anew."
    );
  if (training.state === "completed" && task.state === "failed")
    return `The training completed, but the task failed after it: the task's log has the reason. ${afterClear(task, isSensor)}`;
  if (training.state === "error" && task.state === "up_for_retry")
    return "Airflow is about to try the task again; the page then shows the training of that try.";
  const isRunning = training.state === "running" || training.state === "pending";
  if (isRunning && task.state === "failed" && !training.cancel_requested && !isSensor)
    return (
      "The task has failed, but its training has not ended. Cancel the training, or clear the task: " +
      "that cancels it and trains anew."
    );
  return null;
}

/** What clearing the task does, by the operator that submitted the training. */
function afterClear(task: TaskStatus, isSensor: boolean): string {
  if (isSensor) return "Clear the task: it takes the result of this training.";
  if (task.operator === "SubmitTrainingOperator") return "The results are stored. Clearing the task trains anew.";
  return (
    "The results are stored. Clear the task: it takes the result of this training, and trains nothing anew, as long as " +
    "the definition is unchanged and names a version of its experiment, and the task never succeeded with this training."
  );
}
