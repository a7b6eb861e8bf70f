import { expect, test } from "vitest";

import { kept } from "./keep";
import { anOutline } from "./samples";

test("what has not changed stays the same object, and what has is the new one", () => {
  const before = [anOutline({ id: "a" }), anOutline({ id: "b", state: "running" })];
  const next = [anOutline({ id: "a" }), anOutline({ id: "b" }), anOutline({ id: "c" })];
  const merged = kept(before, next);
  expect(merged[0]).toBe(before[0]);
  expect(merged[1]).toBe(next[1]);
  expect(merged).toHaveLength(3);
});

test("an answer that says nothing new is the old one", () => {
  const before = [anOutline()];
  expect(kept(before, [anOutline()])).toBe(before);
  expect(kept(before, [])).toEqual([]);
});
