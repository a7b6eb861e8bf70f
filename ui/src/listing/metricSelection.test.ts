import { expect, test } from "vitest";

import { metricSelection } from "./metricSelection";

const NAMES = ["validation/loss", "accuracy"].map((name) => ({ name, isProgress: false }));

/** The selection of a page whose URL has *query*, and the query after the user's changes. */
function selection(query: string) {
  const settings = {
    query: new URLSearchParams(query),
    change: (change: (query: URLSearchParams) => URLSearchParams) => {
      settings.query = change(settings.query);
    },
  };
  return { settings, ...metricSelection(NAMES, settings) };
}

test("without a choice, the metric that decides best is selected, with the direction that its name suggests", () => {
  expect(selection("dag_id=d")).toMatchObject({ metric: "validation/loss", direction: "down" });
  expect(selection("metric=gone&better=higher")).toMatchObject({ metric: "validation/loss", direction: "down" });
});

test("the metric and the direction in the URL are selected", () => {
  expect(selection("metric=accuracy")).toMatchObject({ metric: "accuracy", direction: "up" });
  expect(selection("metric=accuracy&better=lower")).toMatchObject({ metric: "accuracy", direction: "down" });
});

test("a choice is written to the URL, and orders the table anew", () => {
  const { settings, onMetric, onDirection } = selection("dag_id=d&sort=-task&metric=accuracy&better=lower");
  onDirection("up");
  expect(settings.query.toString()).toBe("dag_id=d&metric=accuracy&better=higher");
  onMetric("validation/loss");
  expect(settings.query.toString()).toBe("dag_id=d&metric=validation%2Floss");
});
