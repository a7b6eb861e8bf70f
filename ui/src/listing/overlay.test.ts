import { expect, test } from "vitest";

import type { Series } from "../api";
import { keyOf } from "./outline";
import { curveNames, due, failed, learned } from "./overlay";
import { anOutline } from "./samples";

const runs = anOutline({ id: "r", state: "running" });
const ended = anOutline({ id: "e" });
const series: Series = { name: "loss", phase: "train", total: 1, points: [[1, 0.5, 0]] };

test("curves of a running training are asked for again, those of an ended one only once", () => {
  const answer = { version: "1", series: [series], complete: false };
  expect(due(runs, undefined)).toBe(true);
  expect(due(runs, learned(runs, undefined, answer))).toBe(true);
  expect(due(ended, learned(ended, undefined, answer))).toBe(false);
  expect(due(runs, learned(runs, undefined, { ...answer, complete: true }))).toBe(false);
});

test("when a training has ended its curves are asked for once more", () => {
  const before = learned({ ...ended, state: "running" }, undefined, { version: "1", series: [], complete: false });
  expect(due(ended, before)).toBe(true);
});

test("what isn't submitted has no curves to ask for", () =>
  expect(due(anOutline({ id: null }), undefined)).toBe(false));

test("an answer without news keeps the curves", () => {
  const first = learned(runs, undefined, { version: "1", series: [series], complete: false });
  expect(learned(runs, first, { version: "1", series: null, complete: true }).series).toEqual([series]);
});

test("an answer without any news is no news to those who draw", () => {
  const first = learned(runs, undefined, { version: "1", series: [series], complete: false });
  expect(learned(runs, first, { version: "1", series: null, complete: false })).toBe(first);
  expect(learned(runs, failed(first, "away"), { version: "1", series: null, complete: false })).not.toBe(first);
});

test("trouble keeps the curves, says why, and asks again", () => {
  const known = failed(learned(ended, undefined, { version: "1", series: [series], complete: true }), "away");
  expect(known).toMatchObject({ series: [series], trouble: "away" });
  expect(due(ended, known)).toBe(true);
});

test("the metrics to choose from are those of which there are curves", () => {
  const known = new Map([[keyOf(runs), learned(runs, undefined, { version: "1", series: [series], complete: false })]]);
  expect(curveNames([runs, ended], known)).toEqual(["train/loss"]);
});
