/** The curves of selected trainings, kept up to date for those that run. */

import { useRef, useState } from "preact/hooks";

import { fetchJson } from "../api/client";
import type { CurvesResponse, TrainingListItem } from "../api/types";
import { nextPause, pollingError, usePollingLoop } from "../shared/usePolling";
import { concurrencyLimiter, type Limiter } from "./concurrencyLimiter";
import { type CurveState, needsFetch, withError, withResponse } from "./curveState";
import { trainingKey } from "./trainingFields";

/** Milliseconds between two rounds of requests; longer while requests fail. */
const POLL_INTERVAL = 5_000;

/** As many as a narrow chart can show. */
const POINTS_PER_CURVE = 400;

/** A browser opens six connections to a server; the others are left for the list. */
const MAX_CONCURRENT_REQUESTS = 4;

type CurveStates = ReadonlyMap<string, CurveState>;

export function useCurves(trainings: readonly TrainingListItem[]): CurveStates {
  const [states, setStates] = useState<CurveStates>(new Map());
  const latest = useRef(states);
  latest.current = states;
  const limiter = useRef<Limiter>(concurrencyLimiter(MAX_CONCURRENT_REQUESTS)).current;
  const pause = useRef(POLL_INTERVAL);
  const keys = trainings.map(trainingKey).join(" ");
  usePollingLoop(async (signal) => {
    const show = (changes: CurveStates): void => {
      if (changes.size > 0 && !signal.aborted) setStates((previous) => new Map([...previous, ...changes]));
    };
    const changes = new Map<string, CurveState>();
    let failed = false;
    /** A first curve is shown at once; changes of shown curves are collected, so that a round draws them once. */
    const update = async (training: TrainingListItem): Promise<void> => {
      const key = trainingKey(training);
      const previous = latest.current.get(key);
      const state = await limiter(() => fetchCurves(training, previous, signal));
      failed ||= state.error !== null;
      if (previous === undefined) show(new Map([[key, state]]));
      else if (state !== previous) changes.set(key, state);
    };
    const stale = trainings.filter((training) => needsFetch(training, latest.current.get(trainingKey(training))));
    await Promise.all(stale.map(update));
    show(changes);
    return (pause.current = nextPause(pause.current, POLL_INTERVAL, failed));
  }, keys);
  return states;
}

/** The state after one request; where it fails, the state contains the reason. */
async function fetchCurves(
  training: TrainingListItem,
  previous: CurveState | undefined,
  signal: AbortSignal,
): Promise<CurveState> {
  const unless: Record<string, string> = previous?.version ? { unless: previous.version } : {};
  const query = { ...refQuery(training), training_id: training.id ?? "", points: String(POINTS_PER_CURVE), ...unless };
  try {
    return withResponse(training, previous, await fetchJson<CurvesResponse>("curves", query, signal));
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return withError(previous, pollingError(error));
  }
}

function refQuery({ ref }: TrainingListItem): Record<string, string> {
  return { dag_id: ref.dag_id, run_id: ref.run_id, task_id: ref.task_id, map_index: String(ref.map_index) };
}
