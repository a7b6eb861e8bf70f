/** The polling of all pages: one request at a time, none while the page is hidden. */

import { useEffect, useRef, useState } from "preact/hooks";

import { NoAnswerError } from "../api/client";

/** Milliseconds: the longest pause while requests fail. */
export const MAX_POLL_INTERVAL = 30_000;

/** The pause before the next request: *interval* after a success, twice the last pause after a failure. */
export function nextPause(lastPause: number, interval: number, failed: boolean): number {
  return failed ? Math.min(lastPause * 2, MAX_POLL_INTERVAL) : interval;
}

/** The message of *error* for the user of a page that polls. */
export function pollingError(error: Error): string {
  return error instanceof NoAnswerError ? `${error.message} Retrying …` : error.message;
}

/** Returns the milliseconds until the next round, or null for the last one. */
export type PollingRound = (signal: AbortSignal) => Promise<number | null>;

/** The part of `document` that a polling loop uses. */
type PageVisibility = Pick<Document, "hidden" | "addEventListener" | "removeEventListener">;

/**
 * Run *round* again and again; return a function that aborts the signal of the current round and ends the loop.
 *
 * A round never begins before the last one has ended, nor while the page is hidden; when the page becomes visible, the
 * next one begins at once.
 */
export function startPollingLoop(round: PollingRound, page: PageVisibility = document): () => void {
  const control = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isWaiting = false;
  const run = async (): Promise<void> => {
    isWaiting = page.hidden;
    if (isWaiting) return;
    const pause = await round(control.signal);
    if (pause === null || control.signal.aborted) return;
    isWaiting = true;
    timer = setTimeout(() => void run(), pause);
  };
  const onVisibilityChange = (): void => {
    if (page.hidden || !isWaiting) return;
    clearTimeout(timer);
    void run();
  };
  page.addEventListener("visibilitychange", onVisibilityChange);
  void run();
  return () => {
    control.abort();
    clearTimeout(timer);
    page.removeEventListener("visibilitychange", onVisibilityChange);
  };
}

/** Run a polling loop while the component is shown. Another *key* ends the loop and starts a new one. */
export function usePollingLoop(round: PollingRound, key: string): void {
  const latest = useRef(round);
  latest.current = round;
  useEffect(() => startPollingLoop((signal) => latest.current(signal)), [key]);
}

export interface PollingState<T> {
  /** The newest data; null before the first response. */
  data: T | null;
  /** Why there is no newer data. */
  error: string | null;
  /** Milliseconds since the epoch of the last response or failure. */
  updatedAt: number;
  /** Request the data now. */
  refresh: () => void;
}

interface PollingOptions<T> {
  /** Identifies the data. Another key drops the data and starts anew. */
  key: string;
  /** Returns the data; *previous* is the last data with the same key. */
  fetchData: (previous: T | null, signal: AbortSignal) => Promise<T>;
  /** Milliseconds from a response to the next request. */
  interval: (data: T | null) => number;
  /** Whether *data* can't change any more: polling ends. */
  isDone?: (data: T) => boolean;
}

/** Keep data up to date. While requests fail, the data stay, and the pauses grow up to `MAX_POLL_INTERVAL`. */
export function usePolling<T>({ key, fetchData, interval, isDone }: PollingOptions<T>): PollingState<T> {
  const [state, setState] = useState<{ key: string; data: T | null; error: string | null; updatedAt: number }>({
    key,
    data: null,
    error: null,
    updatedAt: Date.now(),
  });
  const [refreshes, setRefreshes] = useState(0);
  const current = useRef({ key, data: null as T | null, pause: 0 });
  if (current.current.key !== key) current.current = { key, data: null, pause: 0 };
  usePollingLoop(async (signal) => {
    const poll = current.current;
    let error: string | null = null;
    try {
      poll.data = await fetchData(poll.data, signal);
    } catch (failure) {
      if (!(failure instanceof Error)) throw failure;
      error = pollingError(failure);
    }
    if (signal.aborted) return null;
    setState({ key, data: poll.data, error, updatedAt: Date.now() });
    if (error === null && poll.data !== null && isDone?.(poll.data)) return null;
    const pause = interval(poll.data);
    return (poll.pause = nextPause(Math.max(poll.pause, pause), pause, error !== null));
  }, `${refreshes} ${key}`);
  const { data, error, updatedAt } =
    state.key === key ? state : { data: null, error: null, updatedAt: state.updatedAt };
  return { data, error, updatedAt, refresh: () => setRefreshes((count) => count + 1) };
}
