/** The attempts of a training and its checkpoints, as texts. */

import type { AttemptReport, CheckpointReport, ResumedFrom, TrainingDetail } from "../api/types";
import { formatAge, formatBytes, formatDuration, formatExactTime } from "../shared/format";
import { isFinalState } from "./taskState";

type Numbers = Pick<TrainingDetail, "attempt" | "max_attempts">;

/** "Attempt 2 of 3", or "Attempt 2"; null where there can be one attempt only. */
export function attemptText({ attempt, max_attempts }: Numbers): string | null {
  if (attempt === null || (attempt < 2 && (max_attempts ?? 1) < 2)) return null;
  return max_attempts === null ? `Attempt ${attempt}` : `Attempt ${attempt} of ${max_attempts}`;
}

/** "The training failed after 3 attempts."; null where there was one attempt only. */
export function attemptsBeforeFailure({ attempt }: Numbers): string | null {
  return attempt === null || attempt < 2 ? null : `The training failed after ${attempt} attempts.`;
}

/** "checkpoint 7", with its attempt where it is not the only one. */
function checkpointName({ attempt, number }: Pick<ResumedFrom, "attempt" | "number">, attempts: number): string {
  return attempt > 1 || attempts > 1 ? `checkpoint ${number} of attempt ${attempt}` : `checkpoint ${number}`;
}

/** "checkpoint 7 · 3 files, 64.0 MiB · 2 min ago"; the age is that at *now*, or the time itself without it. */
export function checkpointText(checkpoint: CheckpointReport, attempts: number, now: number | null): string {
  const { files, bytes, stored_at } = checkpoint;
  const size = `${files} ${files === 1 ? "file" : "files"}, ${formatBytes(bytes)}`;
  const time = now === null ? formatExactTime(stored_at) : `${formatAge(now - Date.parse(stored_at))} ago`;
  return [checkpointName(checkpoint, attempts), size, time].join(" · ");
}

/** The checkpoint that an attempt began with; *trainingId* is set where another training stored it. */
export interface Beginning {
  trainingId: string | null;
  checkpoint: string;
}

export function beginning(resumed: ResumedFrom, training: Pick<TrainingDetail, "id" | "attempts">): Beginning {
  const isOwn = resumed.training_id === training.id;
  return {
    trainingId: isOwn ? null : resumed.training_id,
    checkpoint: checkpointName(resumed, isOwn ? training.attempts.length : 1),
  };
}

/** The id of another training whose checkpoint this one began with; null where it began without one. */
export function earlierTrainingId({ id, attempts, resumed_from }: TrainingDetail): string | null {
  const began = [...attempts.map((one) => one.resumed_from), resumed_from];
  return began.find((one) => one != null && one.training_id !== id)?.training_id ?? null;
}

export interface AttemptRow {
  number: number;
  /** null where it began without a checkpoint. */
  began: Beginning | null;
  /** The ISO 8601 time of its start; null where it waits. */
  started: string | null;
  duration: string | null;
  /** Why it ended; what it does where it has not ended. */
  end: string;
}

/** A row for each attempt, the first one first; empty where there is one attempt only. *now* is in milliseconds. */
export function attemptRows(training: TrainingDetail, now: number): AttemptRow[] {
  return training.attempts.map((attempt, index) => {
    const { started_at = null, ended_at = null, resumed_from } = attempt;
    const isLast = index === training.attempts.length - 1;
    const end = ended_at ?? (isLast ? training.finished_at : null);
    const begin = started_at === null ? null : Date.parse(started_at);
    const isOpen = isLast && ended_at === null && !isFinalState(training.state);
    return {
      number: attempt.number,
      began: resumed_from ? beginning(resumed_from, training) : null,
      started: started_at,
      duration: begin === null ? null : formatDuration(Math.max(0, (end === null ? now : Date.parse(end)) - begin)),
      end: isOpen ? presentText(attempt, training) : endText(attempt, training),
    };
  });
}

function presentText(attempt: AttemptReport, { phase }: TrainingDetail): string {
  return attempt.started_at == null ? "waits for GPUs" : (phase ?? "running");
}

/** "C201: the command exited with 1 (exit code 1)"; the state of the training where the attempt has no code. */
function endText({ code, reason, exit_code }: AttemptReport, { state }: TrainingDetail): string {
  const cause = [code, reason].filter(Boolean).join(": ") || (state ?? "ended");
  const isNamed = exit_code == null || exit_code === 0 || new RegExp(`\\b${exit_code}\\b`).test(reason ?? "");
  return isNamed ? cause : `${cause} (exit code ${exit_code})`;
}
