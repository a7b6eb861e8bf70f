/** The attempts of a training: what each began with, how long it took, and why it ended. */

import type { JSX } from "preact";

import type { TrainingDetail } from "../api/types";
import { formatExactTime, formatTime } from "../shared/format";
import { attemptRows, type Beginning } from "./attempts";
import { type OtherTries, TrainingLink } from "./TrainingLink";

interface Props extends OtherTries {
  training: TrainingDetail;
  /** Milliseconds since the epoch. */
  now: number;
}

export function AttemptTable({ training, now, ...tries }: Props): JSX.Element | null {
  const rows = attemptRows(training, now);
  if (rows.length < 2) return null;
  return (
    <>
      <h2 id="attempts-title">Attempts</h2>
      <div class="attempt-box" role="region" aria-labelledby="attempts-title" tabIndex={0}>
        <table class="plain attempts">
          <thead>
            <tr>
              {["Attempt", "Began with", "Started", "Duration", "End"].map((title) => (
                <th key={title} scope="col">
                  {title}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map(({ number, began, started, duration, end }) => (
              <tr key={number}>
                <th scope="row">{number}</th>
                <td>{began === null ? "no checkpoint" : <BeginningText {...began} {...tries} />}</td>
                <td title={started === null ? undefined : formatExactTime(started)}>{formatTime(started)}</td>
                <td>{duration ?? "–"}</td>
                <td class="attempt-end">{end}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

/** "checkpoint 7", or "training-x, checkpoint 7" where another training stored it. */
export function BeginningText({ trainingId, checkpoint, ...tries }: Beginning & OtherTries): JSX.Element {
  if (trainingId === null) return <>{checkpoint}</>;
  return (
    <>
      <TrainingLink id={trainingId} {...tries} />, {checkpoint}
    </>
  );
}
