/** Why a training failed: its error codes, the exception, and the last lines of its log. */

import type { JSX } from "preact";

import { fetchJson } from "../api/client";
import type { Failure, TrainingDetail } from "../api/types";
import { usePolling } from "../shared/usePolling";
import { attemptsBeforeFailure } from "./attempts";

/** Milliseconds after which a request that failed is repeated. */
const RETRY_INTERVAL = 5_000;

interface Props {
  training: TrainingDetail;
  query: Record<string, string>;
}

export function FailureBanner({ training, query }: Props): JSX.Element {
  const { data } = usePolling<Failure>({
    key: JSON.stringify(query),
    fetchData: (_, signal) => fetchJson<Failure>("failure", query, signal),
    interval: () => RETRY_INTERVAL,
    isDone: () => true,
  });
  const attempts = attemptsBeforeFailure(training);
  return (
    <section class="notice notice-bad failure" aria-label="Why the training failed">
      {attempts && <p>{attempts}</p>}
      {training.errors.map((error) => (
        <p key={error.code}>
          <b>{error.code}</b>: {error.message}
        </p>
      ))}
      {training.errors.length === 0 && attempts === null && <p>The training failed.</p>}
      {data?.exception && (
        <p>
          <code class="exception">{data.exception}</code>
        </p>
      )}
      {data && data.lines.length > 0 && (
        <details open>
          <summary>Last lines of the log</summary>
          <pre tabIndex={0}>{data.lines.join("\n")}</pre>
        </details>
      )}
    </section>
  );
}
