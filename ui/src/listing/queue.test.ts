import { expect, test } from "vitest";

import { queues, turn } from "./queue";
import { anOutline } from "./samples";

const waits = (id: string, queue_position: number | null, parts = {}) =>
  anOutline({ id, state: "pending", phase: "queued", queue_position, ...parts });

test("who waits stands in the order of starting, and who starts at no known time last", () => {
  const [queue] = queues([waits("unknown", null), waits("third", 2, { resource_type: "large" }), waits("first", 0)]);
  expect(queue?.waiting.map((one) => [one.training.id, one.gpus])).toEqual([
    ["first", 1],
    ["third", 3],
    ["unknown", 1],
  ]);
});

test("where the service tells no order, who came first stands first", () => {
  const [queue] = queues([
    waits("new", null, { submitted_at: "2026-11-25T03:00:00Z" }),
    waits("old", null, { submitted_at: "2026-11-25T02:00:00Z" }),
  ]);
  expect(queue?.waiting.map((one) => one.training.id)).toEqual(["old", "new"]);
});

test("who holds GPUs is not waiting, even while it prepares", () => {
  const [queue] = queues([waits("prepares", null, { phase: "preparing", gpus: ["1"] })]);
  expect(queue?.waiting).toEqual([]);
  expect(queue?.holding.map((one) => one.gpus)).toEqual([["1"]]);
});

test("what has ended takes no place, whatever it is said to hold", () => {
  expect(queues([anOutline({ gpus: ["0"] })])).toEqual([]);
});

test("each service has a queue of its own", () => {
  const found = queues([waits("a", 0, { connection: "west" }), waits("b", 0, { connection: "east" })]);
  expect(found.map((queue) => [queue.connection, queue.waiting.length])).toEqual([
    ["east", 1],
    ["west", 1],
  ]);
});

test("a place in the queue is said in words", () => {
  expect([0, 2, null].map(turn)).toEqual(["next", "2 before it", "waits"]);
});
