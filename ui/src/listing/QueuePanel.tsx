/** For each service: which trainings wait for GPUs, and which have some. */

import type { JSX } from "preact";

import type { TrainingListItem } from "../api/types";
import { TaskLink } from "./trainingColumns";
import { type GpuQueue, gpuQueues, queuePositionText } from "./gpuQueue";

const gpuCountText = (count: number): string => (count === 1 ? "1 GPU" : `${count} GPUs`);

export function QueuePanel({ trainings }: { trainings: readonly TrainingListItem[] }): JSX.Element {
  const queues = gpuQueues(trainings);
  return (
    <section class="listing-queue" aria-labelledby="queue">
      <h2 id="queue">Queue</h2>
      {queues.length === 0 && <p>No training waits for a GPU or has one.</p>}
      {queues.map((queue) => (
        <ServiceQueue key={queue.connection} queue={queue} isNamed={queues.length > 1} />
      ))}
    </section>
  );
}

function ServiceQueue({ queue, isNamed }: { queue: GpuQueue; isNamed: boolean }): JSX.Element {
  const suffix = isNamed ? ` at ${queue.connection}` : "";
  return (
    <div class="listing-queues">
      <div>
        <h3>Waiting{suffix}</h3>
        {queue.waiting.length === 0 ? (
          <p>No training waits.</p>
        ) : (
          <ol>
            {queue.waiting.map(({ training, ahead, gpus }) => (
              <li key={training.id}>
                <TaskLink taskRef={training.ref} /> of {training.ref.dag_id} <b>{queuePositionText(ahead)}</b>, requests{" "}
                {gpuCountText(gpus)} ({training.resource_type})
              </li>
            ))}
          </ol>
        )}
      </div>
      <div>
        <h3>Using GPUs{suffix}</h3>
        {queue.holding.length === 0 ? (
          <p>No training uses a GPU.</p>
        ) : (
          <ul>
            {queue.holding.map(({ training, gpus }) => (
              <li key={training.id}>
                <b>GPU {gpus.join(", ")}</b> <TaskLink taskRef={training.ref} /> of {training.ref.dag_id}
                {training.phase && `, ${training.phase}`}
              </li>
            ))}
          </ul>
        )}
      </div>
    </div>
  );
}
