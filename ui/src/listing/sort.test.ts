import { describe, expect, test } from "vitest";

import { ariaSort, type Cell, clicked, numberOrText, sorted } from "./sort";

const rows = (...cells: Cell[]): { cell: Cell; place: number }[] => cells.map((cell, place) => ({ cell, place }));
const order = (cells: Cell[], descending = false): Cell[] =>
  sorted(rows(...cells), (row) => row.cell, descending).map((row) => row.cell);

describe("sorting", () => {
  test("what is missing comes last, whichever way one sorts", () => {
    expect(order([2, null, 1, NaN])).toEqual([1, 2, null, NaN]);
    expect(order([2, null, 1, ""], true)).toEqual([2, 1, null, ""]);
  });

  test("equal rows stay as they stood, both ways", () => {
    for (const descending of [false, true]) {
      const places = sorted(rows(1, 1, 0, 1), (row) => row.cell, descending).map((row) => row.place);
      expect(places.filter((place) => place !== 2)).toEqual([0, 1, 3]);
    }
  });

  test("numbers inside words count as numbers", () => {
    expect(order(["run 10", "run 9", "Run 1"])).toEqual(["Run 1", "run 9", "run 10"]);
  });

  test("a column of numbers and words holds its numbers together", () => {
    expect(order(["auto", 0.1, "adam", 0.01])).toEqual([0.01, 0.1, "adam", "auto"]);
  });

  test("the rows handed in are left as they were", () => {
    const given = rows(2, 1);
    sorted(given, (row) => row.cell, false);
    expect(given.map((row) => row.cell)).toEqual([2, 1]);
  });
});

test("a column's head sorts by it the useful way first, then the other way round", () => {
  const first = clicked({ by: "name", descending: true }, "accuracy", "descending");
  expect(first).toEqual({ by: "accuracy", descending: true });
  expect(clicked(first, "accuracy", "descending")).toEqual({ by: "accuracy", descending: false });
});

test("only the sorted column tells a screen reader which way", () => {
  expect(ariaSort({ by: "name", descending: true }, "name")).toBe("descending");
  expect(ariaSort({ by: "name", descending: false }, "name")).toBe("ascending");
  expect(ariaSort({ by: "name", descending: false }, "state")).toBe("none");
});

test("a parameter is a number where it reads as one", () => {
  expect(["1e-3", "adam", " ", undefined].map(numberOrText)).toEqual([0.001, "adam", null, null]);
});
