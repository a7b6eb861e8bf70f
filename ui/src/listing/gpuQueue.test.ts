import { expect, test } from "vitest";

import { gpuQueues, queuePositionText } from "./gpuQueue";
import { sampleTraining } from "./sampleTrainings";

const waits = (id: string, queue_position: number | null, parts = {}) =>
  sampleTraining({ id, state: "pending", phase: "queued", queue_position, ...parts });

test("waiting trainings are ordered by their position, with unknown positions last", () => {
  const [queue] = gpuQueues([waits("unknown", null), waits("third", 2, { requested_gpus: 3 }), waits("first", 0)]);
  expect(queue?.waiting.map((one) => [one.training.id, one.gpus])).toEqual([
    ["first", 1],
    ["third", 3],
    ["unknown", 1],
  ]);
});

test("waiting trainings without positions are ordered by the time of submission", () => {
  const [queue] = gpuQueues([
    waits("new", null, { submitted_at: "2026-11-25T03:00:00Z" }),
    waits("old", null, { submitted_at: "2026-11-25T02:00:00Z" }),
  ]);
  expect(queue?.waiting.map((one) => one.training.id)).toEqual(["old", "new"]);
});

test("a training waits between two attempts, in which it has no GPUs", () => {
  const [queue] = gpuQueues([waits("recovers", null, { state: "running", phase: "recovering" })]);
  expect(queue?.waiting.map((one) => one.training.id)).toEqual(["recovers"]);
});

test("a training with GPUs does not wait, even in an early phase", () => {
  const [queue] = gpuQueues([waits("prepares", null, { phase: "preparing", gpus: ["1"] })]);
  expect(queue?.waiting).toEqual([]);
  expect(queue?.holding.map((one) => one.gpus)).toEqual([["1"]]);
});

test("a training without GPUs does not wait once it is started", () => {
  const [queue] = gpuQueues([waits("prepares", null, { phase: "preparing", requested_gpus: 0 })]);
  expect(queue).toMatchObject({ waiting: [], holding: [] });
});

test("a final training is in no queue, even where it still lists GPUs", () => {
  expect(gpuQueues([sampleTraining({ gpus: ["0"] })])).toMatchObject([{ waiting: [], holding: [] }]);
});

test("each service has a separate queue", () => {
  const found = gpuQueues([waits("a", 0, { connection: "west" }), waits("b", 0, { connection: "east" })]);
  expect(found.map((queue) => [queue.connection, queue.waiting.length])).toEqual([
    ["east", 1],
    ["west", 1],
  ]);
});

test("the queue of a service that does not answer is unknown, also where no training of it is open", () => {
  const final = sampleTraining({ id: "a", connection: "west" });
  const found = gpuQueues([final, waits("b", 0, { connection: "east" })], ["west"]);
  expect(found.map(({ connection, isKnown }) => [connection, isKnown])).toEqual([
    ["east", true],
    ["west", false],
  ]);
});

test("queuePositionText describes the position", () => {
  expect([0, 2, null].map(queuePositionText)).toEqual(["next", "2 before it", "waits"]);
});
