/** Sorting by a column: stable, with missing values last in both directions. */

export type CellValue = number | string | null;

export interface SortOrder {
  /** The id of a column. */
  columnId: string;
  descending: boolean;
}

/** "run 9" comes before "run 10", and "Adam" next to "adam". */
const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

function isMissing(cell: CellValue): boolean {
  return cell === null || cell === "" || (typeof cell === "number" && Number.isNaN(cell));
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
    if (isMissing(a) || isMissing(b)) return Number(isMissing(a)) - Number(isMissing(b));
    return descending ? compare(b, a) : compare(a, b);
  });
}

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
