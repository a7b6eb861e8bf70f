/** Who waits for GPUs, and who holds them; each service has a queue of its own. */

import type { Outline } from "../api";
import { gpusWanted, isFinal } from "./outline";
import { sorted } from "./sort";

export interface Waiting {
  training: Outline;
  /** How many start before it; null where the service doesn't say. */
  ahead: number | null;
  gpus: number;
}

export interface Holding {
  training: Outline;
  gpus: string[];
}

export interface Queue {
  connection: string;
  /** In the order in which they start. Trainings of others are not among them, so positions may have gaps. */
  waiting: Waiting[];
  /** By the first GPU held. */
  holding: Holding[];
}

/** A queue for each connection of *trainings* that has anything going on. */
export function queues(trainings: readonly Outline[]): Queue[] {
  const found = new Map<string, Queue>();
  for (const training of trainings) {
    if (isFinal(training)) continue;
    const queue = found.get(training.connection) ?? { connection: training.connection, waiting: [], holding: [] };
    if (training.gpus.length > 0) queue.holding.push({ training, gpus: training.gpus });
    else if (training.state === "pending")
      queue.waiting.push({ training, ahead: training.queue_position, gpus: gpusWanted(training) });
    else continue;
    found.set(training.connection, queue);
  }
  return sorted([...found.values()], (queue) => queue.connection, false).map((queue) => ({
    ...queue,
    waiting: sorted(
      sorted(queue.waiting, (one) => one.training.submitted_at, false),
      (one) => one.ahead,
      false,
    ),
    holding: sorted(queue.holding, (one) => one.gpus[0] ?? null, false),
  }));
}

/** "next", "2 before it"; "waits" where nobody says. */
export function turn(ahead: number | null): string {
  return ahead === null ? "waits" : ahead === 0 ? "next" : `${ahead} before it`;
}
