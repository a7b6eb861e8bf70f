import { expect, test } from "vitest";

import { selectOptions, NO_FILTERS, filterTrainings, parseFilters, filtersToQuery } from "./filter";
import { sampleTraining } from "./sampleTrainings";

const all = [
  sampleTraining({ id: "a", parameters: { learningRate: "0.001" }, ref: { dag_id: "nightly" } }),
  sampleTraining({ id: "b", state: "running", framework: "torch 2.9", ref: { dag_id: "sweep" } }),
  sampleTraining({ id: null, state: null, framework: "torch 2.9", ref: { dag_id: "sweep", task_id: "warm_up" } }),
];
const ids = (filters: object): (string | null)[] =>
  filterTrainings(all, { ...NO_FILTERS, ...filters }).map((one) => one.id);

test("filterTrainings keeps all trainings without filters", () => expect(ids({})).toEqual(["a", "b", null]));

test("filterTrainings applies all filters together", () => {
  expect(ids({ dag: "sweep" })).toEqual(["b", null]);
  expect(ids({ framework: "torch" })).toEqual(["b", null]);
  expect(ids({ framework: "torch", state: "running" })).toEqual(["b"]);
});

test("a training that is not submitted yet matches pending and open", () => {
  expect(ids({ state: "pending" })).toEqual([null]);
  expect(ids({ state: "open" })).toEqual(["b", null]);
});

test("each word of the text must occur, in any case and any field", () => {
  expect(ids({ text: "LearningRate 0.001" })).toEqual(["a"]);
  expect(ids({ text: "sweep warm" })).toEqual([null]);
  expect(ids({ text: "sweep nowhere" })).toEqual([]);
});

test("filters find a name, a tag, words of a note, and a parameter by its value", () => {
  const noted = sampleTraining({ name: "wide", note: "Keep this one", tags: ["base", "keep"], parameters: { rate: "1e-2" } });
  const found = (filters: object): number =>
    filterTrainings([noted, ...all], { ...NO_FILTERS, ...filters }).filter((one) => one !== noted).length +
    (filterTrainings([noted], { ...NO_FILTERS, ...filters }).length === 1 ? 100 : 0);
  expect(found({ name: "wide" })).toBe(100);
  expect(found({ tag: "base" })).toBe(100);
  expect(found({ tag: "bas" })).toBe(0);
  expect(found({ text: "keep THIS" })).toBe(100);
  expect(found({ text: "rate=0.01" })).toBe(100);
  expect(found({ text: "rate=0.1" })).toBe(0);
  expect(found({ text: "learningrate=0.001" })).toBe(1);
});

test("a training whose state is not known matches unknown only", () => {
  const away = sampleTraining({ id: "away", state: null });
  const states = ["", "open", "pending", "completed", "unknown"];
  expect(states.filter((state) => filterTrainings([away], { ...NO_FILTERS, state }).length === 1)).toEqual(["", "unknown"]);
  expect(ids({ state: "unknown" })).toEqual([]);
});

test("filtersToQuery keeps the other parameters, and parseFilters reads the filters back", () => {
  const filters = { dag: "a b", state: "open", name: "n", tag: "t", framework: "torch", text: "x & y" };
  const query = filtersToQuery(new URLSearchParams("sort=name"), filters);
  expect(parseFilters(new URLSearchParams(query.toString()))).toEqual(filters);
  expect(query.get("sort")).toBe("name");
  expect(filtersToQuery(query, NO_FILTERS).toString()).toBe("sort=name");
});

test("selectOptions contains the selected value although no training has it", () => {
  expect(selectOptions(["torch", "torch", ""], "caffe")).toEqual(["caffe", "torch"]);
});
