/** The curves of the training with whose checkpoint a training began. */

import { fetchJson, ResponseError } from "../api/client";
import type { CurveSeries, CurvesResponse } from "../api/types";
import { usePolling } from "../shared/usePolling";

/** Milliseconds after which a request that failed is repeated. */
const RETRY_INTERVAL = 30_000;

const NONE: readonly CurveSeries[] = [];

/** The curves of training *id* of the same task as *query*; none where *id* is null or the task has no such training. */
export function useEarlierCurves(query: Record<string, string>, id: string | null): readonly CurveSeries[] {
  const { data } = usePolling<readonly CurveSeries[]>({
    key: JSON.stringify([query, id]),
    fetchData: async (_, signal) => {
      if (id === null) return NONE;
      try {
        return (await fetchJson<CurvesResponse>("curves", { ...query, training_id: id }, signal)).series ?? NONE;
      } catch (error) {
        if (error instanceof ResponseError && error.status === 404) return NONE;
        throw error;
      }
    },
    interval: () => RETRY_INTERVAL,
    isDone: () => true,
  });
  return data ?? NONE;
}
