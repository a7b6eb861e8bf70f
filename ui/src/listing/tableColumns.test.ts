import { expect, test } from "vitest";

import { sampleTraining } from "./sampleTrainings";
import { bestFirstOrder, metricColumn, parameterColumn, sortTrainings, usedColumns } from "./tableColumns";

const metric = (name: string) => ({ name, isProgress: false });

const rows = [
  sampleTraining({ id: "none" }),
  sampleTraining({ id: "fair", metrics: { loss: 0.5 }, parameters: { rate: "1e-2" } }),
  sampleTraining({ id: "good", metrics: { loss: 0.1 }, parameters: { rate: "0.1" } }),
];
const columns = [metricColumn(metric("loss"), String), parameterColumn("rate")];
const ids = (order: Parameters<typeof sortTrainings>[2]): (string | null)[] =>
  sortTrainings(rows, columns, order, 0).map((one) => one.id);

test("bestFirstOrder sorts the best value to the top in both directions", () => {
  expect(ids(bestFirstOrder("loss", "down"))).toEqual(["good", "fair", "none"]);
  expect(ids(bestFirstOrder("loss", "up"))).toEqual(["fair", "good", "none"]);
});

test("metricColumn sorts the best value to the top at the first click", () => {
  expect(metricColumn(metric("loss"), String).initialOrder).toBeUndefined();
  expect(metricColumn(metric("accuracy"), String).initialOrder).toBe("descending");
  expect(metricColumn(metric("loss"), String, "up").initialOrder).toBe("descending");
});

test("parameterColumn sorts numbers by their value", () => {
  expect(ids({ columnId: "parameter:rate", descending: false })).toEqual(["fair", "good", "none"]);
});

test("sortTrainings keeps the order where the column does not exist", () => {
  expect(ids({ columnId: "metric:gone", descending: true })).toEqual(["none", "fair", "good"]);
});

test("a missing value is rendered as a dash", () => {
  expect(rows.slice(0, 2).map((one) => columns.map((column) => column.render(one, 0)))).toEqual([
    ["–", "–"],
    ["0.5", "1e-2"],
  ]);
});

test("usedColumns leaves out an optional column without any value", () => {
  const tags = { ...parameterColumn("tags"), hasValue: (training: { tags: string[] }) => training.tags.length > 0 };
  expect(usedColumns([tags, ...columns], rows)).toEqual(columns);
  expect(usedColumns([tags], [...rows, sampleTraining({ tags: ["baseline"] })])).toEqual([tags]);
});
