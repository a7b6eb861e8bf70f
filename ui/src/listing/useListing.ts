/** A list of trainings that is kept up to date. */

import { fetchJson } from "../api/client";
import type { TrainingList, TrainingListItem } from "../api/types";
import { usePolling } from "../shared/usePolling";
import { mergeUnchanged } from "./mergeUnchanged";
import { isFinal } from "./trainingFields";

/** Milliseconds between two requests while a training is not final, and when all are. */
const ACTIVE_POLL_INTERVAL = 5_000;
const IDLE_POLL_INTERVAL = 30_000;

export interface ListingState {
  /** null before the first response; then the newest list, even where the last request failed. */
  trainings: readonly TrainingListItem[] | null;
  /** Sentences: which services do not answer, and why there is no newer list. */
  errors: readonly string[];
  /** Milliseconds since the epoch of the last request. */
  updatedAt: number;
}

interface Data {
  trainings: readonly TrainingListItem[];
  errors: readonly string[];
}

export function pollInterval(trainings: readonly TrainingListItem[] | null): number {
  return trainings?.every(isFinal) ? IDLE_POLL_INTERVAL : ACTIVE_POLL_INTERVAL;
}

export function useListing(path: string, query: Record<string, string>): ListingState {
  const { data, error, updatedAt } = usePolling<Data>({
    key: JSON.stringify([path, query]),
    fetchData: async (previous, signal) => {
      const list = await fetchJson<TrainingList>(path, query, signal);
      return { trainings: mergeUnchanged(previous?.trainings ?? [], list.trainings), errors: list.service_errors };
    },
    interval: (list) => pollInterval(list?.trainings ?? null),
  });
  return { trainings: data?.trainings ?? null, errors: error === null ? (data?.errors ?? []) : [error], updatedAt };
}
