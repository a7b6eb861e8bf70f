import { expect, test } from "vitest";

import { mergeUnchanged } from "./mergeUnchanged";
import { sampleTraining } from "./sampleTrainings";

test("mergeUnchanged keeps the objects of unchanged trainings only", () => {
  const before = [sampleTraining({ id: "a" }), sampleTraining({ id: "b", state: "running" })];
  const next = [sampleTraining({ id: "a" }), sampleTraining({ id: "b" }), sampleTraining({ id: "c" })];
  const merged = mergeUnchanged(before, next);
  expect(merged[0]).toBe(before[0]);
  expect(merged[1]).toBe(next[1]);
  expect(merged).toHaveLength(3);
});

test("mergeUnchanged returns the previous list where nothing changed", () => {
  const before = [sampleTraining()];
  expect(mergeUnchanged(before, [sampleTraining()])).toBe(before);
  expect(mergeUnchanged(before, [])).toEqual([]);
});

test("mergeUnchanged keeps a training whose state is unknown now", () => {
  const before = [sampleTraining({ id: "a", state: "running" })];
  expect(mergeUnchanged(before, [sampleTraining({ id: "a", state: null })])).toBe(before);
  expect(mergeUnchanged(before, [sampleTraining({ id: "b", state: null })])[0]?.id).toBe("b");
  expect(mergeUnchanged(before, [sampleTraining({ id: null, state: null })])[0]?.id).toBe(null);
});
