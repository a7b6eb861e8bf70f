import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { NoAnswerError } from "../api/client";
import { MAX_POLL_INTERVAL, nextPause, pollingError, startPollingLoop } from "./usePolling";

test("nextPause doubles while requests fail, up to the limit, and returns to the interval", () => {
  expect(nextPause(2_000, 2_000, true)).toBe(4_000);
  expect(nextPause(20_000, 2_000, true)).toBe(MAX_POLL_INTERVAL);
  expect(nextPause(20_000, 2_000, false)).toBe(2_000);
});

test("pollingError announces the retry where Airflow does not answer", () => {
  expect(pollingError(new NoAnswerError("Airflow does not answer."))).toBe("Airflow does not answer. Retrying …");
  expect(pollingError(new Error("Forbidden"))).toBe("Forbidden");
});

class FakePage extends EventTarget {
  hidden = false;

  setHidden(hidden: boolean): void {
    this.hidden = hidden;
    this.dispatchEvent(new Event("visibilitychange"));
  }
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("a polling loop waits for the pause that a round returns, and ends at null", async () => {
  const round = vi.fn().mockResolvedValueOnce(1_000).mockResolvedValueOnce(null);
  startPollingLoop(round, new FakePage() as unknown as Document);
  await vi.advanceTimersByTimeAsync(999);
  expect(round).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(round).toHaveBeenCalledTimes(2);
});

test("a polling loop begins no round before the last one has ended", async () => {
  const page = new FakePage();
  const ends: ((pause: number) => void)[] = [];
  const round = vi.fn(() => new Promise<number>((end) => ends.push(end)));
  startPollingLoop(round, page as unknown as Document);
  page.setHidden(true);
  page.setHidden(false);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(round).toHaveBeenCalledTimes(1);
  ends[0]?.(1_000);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(round).toHaveBeenCalledTimes(2);
});

test("a polling loop pauses while the page is hidden, and goes on at once when it is visible", async () => {
  const page = new FakePage();
  const round = vi.fn().mockResolvedValue(1_000);
  startPollingLoop(round, page as unknown as Document);
  await vi.advanceTimersByTimeAsync(0);
  page.setHidden(true);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(round).toHaveBeenCalledTimes(1);
  page.setHidden(false);
  await vi.advanceTimersByTimeAsync(0);
  expect(round).toHaveBeenCalledTimes(2);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(round).toHaveBeenCalledTimes(3);
});

test("a stopped polling loop aborts its signal and begins no round", async () => {
  const page = new FakePage();
  const round = vi.fn().mockResolvedValue(1_000);
  const stop = startPollingLoop(round, page as unknown as Document);
  await vi.advanceTimersByTimeAsync(0);
  stop();
  page.setHidden(false);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(round).toHaveBeenCalledTimes(1);
  expect(round.mock.calls[0]?.[0].aborted).toBe(true);
});
