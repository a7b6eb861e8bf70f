/** Trainings that wait for GPUs and trainings that have GPUs, for each service. */

import type { TrainingListItem } from "../api/types";
import { isFinal } from "./trainingFields";
import { sortBy } from "./sort";

export interface WaitingTraining {
  training: TrainingListItem;
  /** Trainings that start before it; null where the service does not return a position. */
  ahead: number | null;
  gpus: number;
}

export interface GpuHolder {
  training: TrainingListItem;
  gpus: string[];
}

export interface GpuQueue {
  connection: string;
  /** Whether the service answers. Without an answer, the trainings are those that were known before. */
  isKnown: boolean;
  /** In the order of their start. Positions may have gaps: the list has the trainings of this Airflow only. */
  waiting: WaitingTraining[];
  /** Ordered by the first GPU. */
  holding: GpuHolder[];
}

/** A queue for each connection of *trainings*; *unavailable* are the connections whose service does not answer. */
export function gpuQueues(trainings: readonly TrainingListItem[], unavailable: readonly string[] = []): GpuQueue[] {
  const emptyQueue = (connection: string): GpuQueue => ({
    connection,
    isKnown: !unavailable.includes(connection),
    waiting: [],
    holding: [],
  });
  const found = new Map<string, GpuQueue>();
  for (const training of trainings) {
    const queue = found.get(training.connection) ?? emptyQueue(training.connection);
    found.set(training.connection, queue);
    if (isFinal(training)) continue;
    if (training.gpus.length > 0) queue.holding.push({ training, gpus: training.gpus });
    else if (waitsForGpus(training))
      queue.waiting.push({ training, ahead: training.queue_position, gpus: training.requested_gpus });
  }
  return sortBy([...found.values()], (queue) => queue.connection, false).map((queue) => ({
    ...queue,
    waiting: sortBy(
      sortBy(queue.waiting, (one) => one.training.submitted_at, false),
      (one) => one.ahead,
      false,
    ),
    holding: sortBy(queue.holding, (one) => one.gpus[0] ?? null, false),
  }));
}

/** Also between two attempts, while the training itself counts as running. */
const waitsForGpus = ({ state, phase }: TrainingListItem): boolean =>
  phase === "recovering" || (state === "pending" && (phase ?? "queued") === "queued");

/** "next", "2 before it"; "waits" where the position is unknown. */
export function queuePositionText(ahead: number | null): string {
  return ahead === null ? "waits" : ahead === 0 ? "next" : `${ahead} before it`;
}
