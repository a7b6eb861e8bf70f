/** Who waits for GPUs and who holds them, for each service. */

import type { JSX } from "preact";

import type { Outline } from "../api";
import { TaskLink } from "./cells";
import { type Queue, queues, turn } from "./queue";

const counted = (count: number): string => (count === 1 ? "1 GPU" : `${count} GPUs`);

export function QueuePanel({ trainings }: { trainings: readonly Outline[] }): JSX.Element {
  const all = queues(trainings);
  return (
    <section class="listing-queue" aria-labelledby="queue">
      <h2 id="queue">Queue</h2>
      {all.length === 0 && <p>Nothing waits for GPUs, and nothing holds any.</p>}
      {all.map((queue) => (
        <One key={queue.connection} queue={queue} named={all.length > 1} />
      ))}
    </section>
  );
}

function One({ queue, named }: { queue: Queue; named: boolean }): JSX.Element {
  const at = named ? ` at ${queue.connection}` : "";
  return (
    <div class="listing-queues">
      <div>
        <h3>Waiting{at}</h3>
        {queue.waiting.length === 0 ? (
          <p>None of these trainings waits.</p>
        ) : (
          <ol>
            {queue.waiting.map(({ training, ahead, gpus }) => (
              <li key={training.id}>
                <TaskLink to={training.ref} /> of {training.ref.dag_id} <b>{turn(ahead)}</b>, wants {counted(gpus)} (
                {training.resource_type})
              </li>
            ))}
          </ol>
        )}
      </div>
      <div>
        <h3>Holding{at}</h3>
        {queue.holding.length === 0 ? (
          <p>None of these trainings holds a GPU.</p>
        ) : (
          <ul>
            {queue.holding.map(({ training, gpus }) => (
              <li key={training.id}>
                <b>GPU {gpus.join(", ")}</b> <TaskLink to={training.ref} /> of {training.ref.dag_id}
                {training.phase && `, ${training.phase}`}
              </li>
            ))}
          </ul>
        )}
      </div>
    </div>
  );
}
