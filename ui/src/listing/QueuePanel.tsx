/** For each service: which trainings wait for GPUs, and which have some. */

import type { JSX } from "preact";

import type { TrainingListItem } from "../api/types";
import { TaskLink } from "./trainingColumns";
import { type GpuQueue, gpuQueues, queuePositionText } from "./gpuQueue";

const gpuCountText = (count: number): string => (count === 1 ? "1 GPU" : `${count} GPUs`);

interface Props {
  trainings: readonly TrainingListItem[];
  /** The connections whose service does not answer. */
  unavailable: readonly string[];
}

export function QueuePanel({ trainings, unavailable }: Props): JSX.Element {
  const queues = gpuQueues(trainings, unavailable);
  return (
    <section class="listing-queue" aria-labelledby="queue">
      <h2 id="queue">Queue</h2>
      {queues.map((queue) => (
        <ServiceQueue key={queue.connection} queue={queue} isNamed={queues.length > 1} />
      ))}
    </section>
  );
}

function ServiceQueue({ queue, isNamed }: { queue: GpuQueue; isNamed: boolean }): JSX.Element {
  const isEmpty = queue.waiting.length === 0 && queue.holding.length === 0;
  const suffix = isNamed ? ` at ${queue.connection}` : "";
  if (isEmpty && queue.isKnown) return <p>No training waits for a GPU or has one{suffix}.</p>;
  return (
    <>
      {!queue.isKnown && (
        <p>
          <b>Unknown:</b> the service of the connection {queue.connection} does not answer.
          {!isEmpty && " The last known state:"}
        </p>
      )}
      {!isEmpty && <QueueLists queue={queue} suffix={suffix} />}
    </>
  );
}

function QueueLists({ queue, suffix }: { queue: GpuQueue; suffix: string }): JSX.Element {
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
