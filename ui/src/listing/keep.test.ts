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

test("a training of which nothing is heard now stays as it was last told", () => {
  const before = [anOutline({ id: "a", state: "running" })];
  expect(kept(before, [anOutline({ id: "a", state: null })])).toBe(before);
  expect(kept(before, [anOutline({ id: "b", state: null })])[0]?.id).toBe("b");
  expect(kept(before, [anOutline({ id: null, state: null })])[0]?.id).toBe(null);
});
