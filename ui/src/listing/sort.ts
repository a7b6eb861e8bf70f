/** Sorting by any column: stable, and what is missing comes last whichever way one sorts. */

export type Cell = number | string | null;

export interface Order {
  /** The id of a column. */
  by: string;
  descending: boolean;
}

/** "run 9" before "run 10", and "Adam" beside "adam". */
const words = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

function missing(cell: Cell): boolean {
  return cell === null || cell === "" || (typeof cell === "number" && Number.isNaN(cell));
}

/** Numbers come before words where a column holds both. */
function compare(one: Cell, other: Cell): number {
  if (typeof one === "number" && typeof other === "number") return one < other ? -1 : one > other ? 1 : 0;
  if (typeof one === "number") return -1;
  if (typeof other === "number") return 1;
  return words.compare(one ?? "", other ?? "");
}

/** *rows* in order of what *cell* says of each; equal ones stay as they stood. */
export function sorted<Row>(rows: readonly Row[], cell: (row: Row) => Cell, descending: boolean): Row[] {
  const cells = new Map(rows.map((row) => [row, cell(row)]));
  const at = (row: Row): Cell => cells.get(row) ?? null;
  return [...rows].sort((one, other) => {
    const [a, b] = [at(one), at(other)];
    if (missing(a) || missing(b)) return Number(missing(a)) - Number(missing(b));
    return descending ? compare(b, a) : compare(a, b);
  });
}

/** The order after a click on a column's head: the other way round, or *first* where it was not sorted by it. */
export function clicked(order: Order, by: string, first: "ascending" | "descending" = "ascending"): Order {
  return order.by === by ? { by, descending: !order.descending } : { by, descending: first === "descending" };
}

/** What `aria-sort` says of column *id*. */
export function ariaSort(order: Order, id: string): "ascending" | "descending" | "none" {
  return order.by !== id ? "none" : order.descending ? "descending" : "ascending";
}

/** A text from outside as a number where it is one ("1e-3"), so that 0.01 comes before 0.1 and 9 before 10. */
export function numberOrText(text: string | undefined): Cell {
  if (text === undefined || text.trim() === "") return null;
  const number = Number(text);
  return Number.isFinite(number) ? number : text;
}
