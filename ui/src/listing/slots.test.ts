import { expect, test } from "vitest";

import { slots } from "./slots";

test("a curve keeps its colour while others come and go, and a free colour is used again", () => {
  const first = slots(new Map(), ["a", "b", "c"]);
  expect([...first]).toEqual([
    ["a", 0],
    ["b", 1],
    ["c", 2],
  ]);
  const without = slots(first, ["a", "c"]);
  expect([...without]).toEqual([
    ["a", 0],
    ["c", 2],
  ]);
  expect([...slots(without, ["c", "d", "a", "e"])]).toEqual([
    ["c", 2],
    ["d", 1],
    ["a", 0],
    ["e", 3],
  ]);
});
