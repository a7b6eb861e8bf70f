import { expect, test } from "vitest";

import { anOutline } from "./samples";
import { bestFirst, metricColumn, ordered, parameterColumn } from "./tabular";

const rows = [
  anOutline({ id: "none" }),
  anOutline({ id: "fair", metrics: { loss: 0.5 }, parameters: { rate: "1e-2" } }),
  anOutline({ id: "good", metrics: { loss: 0.1 }, parameters: { rate: "0.1" } }),
];
const columns = [metricColumn("loss", String), parameterColumn("rate")];
const ids = (order: Parameters<typeof ordered>[2]): (string | null)[] =>
  ordered(rows, columns, order, 0).map((one) => one.id);

test("the best by a metric stands on top, whichever way it gets better", () => {
  expect(ids(bestFirst("loss", "down"))).toEqual(["good", "fair", "none"]);
  expect(ids(bestFirst("loss", "up"))).toEqual(["fair", "good", "none"]);
});

test("a metric's head brings the best to the top at the first click", () => {
  expect(metricColumn("loss", String).first).toBeUndefined();
  expect(metricColumn("accuracy", String).first).toBe("descending");
  expect(metricColumn("loss", String, "up").first).toBe("descending");
});

test("a parameter is sorted by its size, not its spelling", () => {
  expect(ids({ by: "parameter:rate", descending: false })).toEqual(["fair", "good", "none"]);
});

test("by a column that is gone nothing is sorted", () => {
  expect(ids({ by: "metric:gone", descending: true })).toEqual(["none", "fair", "good"]);
});

test("what a training doesn't have shows as a dash", () => {
  expect(rows.slice(0, 2).map((one) => columns.map((column) => column.show(one, 0)))).toEqual([
    ["–", "–"],
    ["0.5", "1e-2"],
  ]);
});
