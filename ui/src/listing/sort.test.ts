import { describe, expect, test } from "vitest";

import { ariaSort, type CellValue, nextOrder, orderText, parseCell, parseOrder, sortBy } from "./sort";

const rows = (...cells: CellValue[]): { cell: CellValue; place: number }[] =>
  cells.map((cell, place) => ({ cell, place }));
const order = (cells: CellValue[], descending = false): CellValue[] =>
  sortBy(rows(...cells), (row) => row.cell, descending).map((row) => row.cell);

describe("sortBy", () => {
  test("puts missing values last in both directions", () => {
    expect(order([2, null, 1])).toEqual([1, 2, null]);
    expect(order([2, null, 1, ""], true)).toEqual([2, 1, null, ""]);
  });

  test("puts NaN and infinities behind all other values and before missing ones in both directions", () => {
    expect(order([null, NaN, 2, Infinity, 1, -Infinity])).toEqual([1, 2, NaN, Infinity, -Infinity, null]);
    expect(order([null, NaN, 2, Infinity, "adam", -Infinity], true)).toEqual(["adam", 2, NaN, Infinity, -Infinity, null]);
  });

  test("keeps the order of equal rows in both directions", () => {
    for (const descending of [false, true]) {
      const places = sortBy(rows(1, 1, 0, 1), (row) => row.cell, descending).map((row) => row.place);
      expect(places.filter((place) => place !== 2)).toEqual([0, 1, 3]);
    }
  });

  test("compares numbers in texts as numbers", () => {
    expect(order(["run 10", "run 9", "Run 1"])).toEqual(["Run 1", "run 9", "run 10"]);
  });

  test("puts numbers before texts", () => {
    expect(order(["auto", 0.1, "adam", 0.01])).toEqual([0.01, 0.1, "adam", "auto"]);
  });

  test("does not change its argument", () => {
    const given = rows(2, 1);
    sortBy(given, (row) => row.cell, false);
    expect(given.map((row) => row.cell)).toEqual([2, 1]);
  });
});

test("nextOrder begins with the initial order, then reverses it", () => {
  const first = nextOrder({ columnId: "name", descending: true }, "accuracy", "descending");
  expect(first).toEqual({ columnId: "accuracy", descending: true });
  expect(nextOrder(first, "accuracy", "descending")).toEqual({ columnId: "accuracy", descending: false });
});

test("orderText is read back by parseOrder", () => {
  for (const order of [
    { columnId: "metric:-loss", descending: true },
    { columnId: "task", descending: false },
  ])
    expect(parseOrder(orderText(order))).toEqual(order);
  expect(parseOrder(null)).toBeNull();
});

test("ariaSort names the direction of the sorted column only", () => {
  expect(ariaSort({ columnId: "name", descending: true }, "name")).toBe("descending");
  expect(ariaSort({ columnId: "name", descending: false }, "name")).toBe("ascending");
  expect(ariaSort({ columnId: "name", descending: false }, "state")).toBe("none");
});

test("parseCell returns a number where the text is one", () => {
  expect(["1e-3", "adam", " ", undefined].map(parseCell)).toEqual([0.001, "adam", null, null]);
});
