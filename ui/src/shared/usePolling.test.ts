import { expect, test } from "vitest";

import { NoAnswerError } from "../api/client";
import { MAX_POLL_INTERVAL, nextPause, pollingError } from "./usePolling";

test("nextPause doubles while requests fail, up to the limit, and returns to the interval", () => {
  expect(nextPause(2_000, 2_000, true)).toBe(4_000);
  expect(nextPause(20_000, 2_000, true)).toBe(MAX_POLL_INTERVAL);
  expect(nextPause(20_000, 2_000, false)).toBe(2_000);
});

test("pollingError announces the retry where Airflow does not answer", () => {
  expect(pollingError(new NoAnswerError("Airflow does not answer."))).toBe("Airflow does not answer. Retrying …");
  expect(pollingError(new Error("Forbidden"))).toBe("Forbidden");
});
