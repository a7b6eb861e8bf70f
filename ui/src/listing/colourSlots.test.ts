import { expect, test } from "vitest";

import { assignColourSlots } from "./colourSlots";

test("a curve keeps its slot while others change, and a free slot is used again", () => {
  const first = assignColourSlots(new Map(), ["a", "b", "c"]);
  expect([...first]).toEqual([
    ["a", 0],
    ["b", 1],
    ["c", 2],
  ]);
  const without = assignColourSlots(first, ["a", "c"]);
  expect([...without]).toEqual([
    ["a", 0],
    ["c", 2],
  ]);
  expect([...assignColourSlots(without, ["c", "d", "a", "e"])]).toEqual([
    ["c", 2],
    ["d", 1],
    ["a", 0],
    ["e", 3],
  ]);
});
