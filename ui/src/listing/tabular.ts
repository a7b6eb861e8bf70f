/** What a table of trainings shows, without saying how it is drawn. */

import type { ComponentChildren } from "preact";

import type { Outline } from "../api";
import { guessDirection, type Direction } from "./direction";
import { type Cell, numberOrText, type Order, sorted } from "./sort";

export interface Column {
  id: string;
  title: string;
  numeric?: boolean;
  /** How the first click on its head sorts; ascending where not said. */
  first?: "descending";
  /** What it sorts by. *now* is in milliseconds since the epoch. */
  cell: (one: Outline, now: number) => Cell;
  /** What it shows. */
  show: (one: Outline, now: number) => ComponentChildren;
}

export function parameterColumn(name: string): Column {
  return {
    id: `parameter:${name}`,
    title: name,
    cell: (one) => numberOrText(one.parameters[name]),
    show: (one) => one.parameters[name] ?? "–",
    numeric: true,
  };
}

export const metricColumnId = (name: string): string => `metric:${name}`;

/** *write* says a number in few digits. The first click brings the best to the top. */
export function metricColumn(
  name: string,
  write: (value: number) => string,
  direction: Direction = guessDirection(name),
): Column {
  return {
    id: metricColumnId(name),
    title: name,
    cell: (one) => one.metrics[name] ?? null,
    show: (one) => {
      const value = one.metrics[name];
      return value === undefined ? "–" : write(value);
    },
    numeric: true,
    ...(direction === "up" ? { first: "descending" as const } : {}),
  };
}

/** *rows* as *order* says; as they stand where no column has its name. */
export function ordered(
  rows: readonly Outline[],
  columns: readonly Column[],
  order: Order,
  now: number,
): readonly Outline[] {
  const column = columns.find((one) => one.id === order.by);
  return column ? sorted(rows, (one) => column.cell(one, now), order.descending) : rows;
}

/** The order that brings the best by *metric* to the top. */
export function bestFirst(metric: string | null, direction: Direction): Order {
  return metric === null
    ? { by: "", descending: false }
    : { by: metricColumnId(metric), descending: direction === "up" };
}
