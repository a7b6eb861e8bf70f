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
  /** The connections whose trainings may have changed since they were listed: their service, or Airflow, does not answer. */
  unavailable: readonly string[];
  /** Milliseconds since the epoch of the last request. */
  updatedAt: number;
}

interface Data {
  trainings: readonly TrainingListItem[];
  errors: readonly string[];
  unavailable: readonly string[];
}

export function pollInterval(trainings: readonly TrainingListItem[] | null): number {
  return trainings?.every(isFinal) ? IDLE_POLL_INTERVAL : ACTIVE_POLL_INTERVAL;
}

function connectionsOf(trainings: readonly TrainingListItem[]): string[] {
  return [...new Set(trainings.map(({ connection }) => connection))];
}

export function useListing(path: string, query: Record<string, string>): ListingState {
  const { data, error, updatedAt } = usePolling<Data>({
    key: JSON.stringify([path, query]),
    fetchData: async (previous, signal) => {
      const list = await fetchJson<TrainingList>(path, query, signal);
      const trainings = mergeUnchanged(previous?.trainings ?? [], list.trainings);
      return { trainings, errors: list.service_errors, unavailable: list.unavailable };
    },
    interval: (list) => pollInterval(list?.trainings ?? null),
  });
  const trainings = data?.trainings ?? null;
  return error === null
    ? { trainings, errors: data?.errors ?? [], unavailable: data?.unavailable ?? [], updatedAt }
    : { trainings, errors: [error], unavailable: connectionsOf(trainings ?? []), updatedAt };
}
