import { expect, test } from "vitest";

import { choices, EVERYTHING, filtered, readFilters, writeFilters } from "./filter";
import { anOutline } from "./samples";

const all = [
  anOutline({ id: "a", parameters: { learningRate: "0.001" }, ref: { dag_id: "nightly" } }),
  anOutline({ id: "b", state: "running", framework: "torch 2.9", ref: { dag_id: "sweep" } }),
  anOutline({ id: null, state: null, framework: "torch 2.9", ref: { dag_id: "sweep", task_id: "warm_up" } }),
];
const ids = (filters: object): (string | null)[] => filtered(all, { ...EVERYTHING, ...filters }).map((one) => one.id);

test("without filters everything is shown", () => expect(ids({})).toEqual(["a", "b", null]));

test("each filter narrows what the others leave", () => {
  expect(ids({ dag: "sweep" })).toEqual(["b", null]);
  expect(ids({ framework: "torch" })).toEqual(["b", null]);
  expect(ids({ framework: "torch", state: "running" })).toEqual(["b"]);
});

test("what is not submitted yet counts as pending, and as open", () => {
  expect(ids({ state: "pending" })).toEqual([null]);
  expect(ids({ state: "open" })).toEqual(["b", null]);
});

test("all words must occur, in any case and in any place", () => {
  expect(ids({ text: "LearningRate 0.001" })).toEqual(["a"]);
  expect(ids({ text: "sweep warm" })).toEqual([null]);
  expect(ids({ text: "sweep nowhere" })).toEqual([]);
});

test("a link carries the filters, and whatever else it said", () => {
  const filters = { dag: "a b", state: "open", framework: "torch", text: "x & y" };
  const query = writeFilters(new URLSearchParams("sort=name"), filters);
  expect(readFilters(new URLSearchParams(query.toString()))).toEqual(filters);
  expect(query.get("sort")).toBe("name");
  expect(writeFilters(query, EVERYTHING).toString()).toBe("sort=name");
});

test("a choice that nothing has any more can still be seen and undone", () => {
  expect(choices(["torch", "torch", ""], "caffe")).toEqual(["caffe", "torch"]);
});
