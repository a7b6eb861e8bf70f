/** Sorting by a column: stable, with NaN, infinities and then missing values last in both directions. */

export type CellValue = number | string | null;

export interface SortOrder {
  /** The id of a column. */
  columnId: string;
  descending: boolean;
}

/** "run 9" comes before "run 10", and "Adam" next to "adam". */
const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

/** 0 for a value; 1 for NaN and infinities, which are neither high nor low: the training diverged; 2 for no value. */
function lastPlaces(cell: CellValue): 0 | 1 | 2 {
  if (cell === null || cell === "") return 2;
  return typeof cell === "number" && !Number.isFinite(cell) ? 1 : 0;
}

/** Numbers come before texts where a column has both. */
function compare(one: CellValue, other: CellValue): number {
  if (typeof one === "number" && typeof other === "number") return one < other ? -1 : one > other ? 1 : 0;
  if (typeof one === "number") return -1;
  if (typeof other === "number") return 1;
  return collator.compare(one ?? "", other ?? "");
}

/** *rows* ordered by *valueOf* each; equal ones keep their order. */
export function sortBy<Row>(rows: readonly Row[], valueOf: (row: Row) => CellValue, descending: boolean): Row[] {
  const cells = new Map(rows.map((row) => [row, valueOf(row)]));
  const at = (row: Row): CellValue => cells.get(row) ?? null;
  return [...rows].sort((one, other) => {
    const [a, b] = [at(one), at(other)];
    const [placeA, placeB] = [lastPlaces(a), lastPlaces(b)];
    if (placeA !== 0 || placeB !== 0) return placeA - placeB;
    return descending ? compare(b, a) : compare(a, b);
  });
}

/** The order that *text* names: a column's id, with "-" before it where it is descending; null for an empty text. */
export function parseOrder(text: string | null): SortOrder | null {
  if (!text) return null;
  return text.startsWith("-") ? { columnId: text.slice(1), descending: true } : { columnId: text, descending: false };
}

export const orderText = (order: SortOrder): string => (order.descending ? "-" : "") + order.columnId;

/** The order after a click on a column's header: reversed, or *initial* where another column was sorted by. */
export function nextOrder(
  order: SortOrder,
  columnId: string,
  initial: "ascending" | "descending" = "ascending",
): SortOrder {
  return order.columnId === columnId
    ? { columnId, descending: !order.descending }
    : { columnId, descending: initial === "descending" };
}

/** The value of `aria-sort` for column *id*. */
export function ariaSort(order: SortOrder, id: string): "ascending" | "descending" | "none" {
  return order.columnId !== id ? "none" : order.descending ? "descending" : "ascending";
}

/** A parameter's text as a number where it is one ("1e-3"), so that 9 comes before 10. */
export function parseCell(text: string | undefined): CellValue {
  if (text === undefined || text.trim() === "") return null;
  const number = Number(text);
  return Number.isFinite(number) ? number : text;
}
