/** Columns of a table of trainings, and the order of its rows. No JSX. */

import type { ComponentChildren } from "preact";

import type { TrainingListItem } from "../api/types";
import { guessDirection, type Direction } from "./metricDirection";
import { type CellValue, parseCell, type SortOrder, sortBy } from "./sort";
import type { MetricName } from "./columnNames";
import { metricValue } from "./trainingFields";

export interface Column {
  id: string;
  title: string;
  /** A remark in the header, below the title. */
  remark?: string;
  numeric?: boolean;
  /** The order after the first click on the header; ascending by default. */
  initialOrder?: "descending";
  /** The value by which rows are sorted. *now* is in milliseconds since the epoch. */
  sortValue: (training: TrainingListItem, now: number) => CellValue;
  /** The content of a cell. */
  render: (training: TrainingListItem, now: number) => ComponentChildren;
  /** Whether a cell has content; the column is left out where none has. Without it, the column is always shown. */
  hasValue?: (training: TrainingListItem) => boolean;
}

/** *columns* without those that are empty for all *trainings*. */
export function usedColumns(columns: readonly Column[], trainings: readonly TrainingListItem[]): Column[] {
  return columns.filter(({ hasValue }) => hasValue === undefined || trainings.some(hasValue));
}

export function parameterColumn(name: string): Column {
  return {
    id: `parameter:${name}`,
    title: name,
    sortValue: (training) => parseCell(training.parameters[name]),
    render: (training) => training.parameters[name] ?? "–",
    numeric: true,
  };
}

export const metricColumnId = (name: string): string => `metric:${name}`;

/** The first click on the header sorts the best value to the top. *render* receives the value of a cell. */
export function metricColumn(
  { name, isProgress }: MetricName,
  render: (value: number) => ComponentChildren,
  direction: Direction = guessDirection(name),
): Column {
  return {
    id: metricColumnId(name),
    title: name,
    sortValue: (training) => metricValue(training, name),
    render: (training) => {
      const value = metricValue(training, name);
      return value === null ? "–" : render(value);
    },
    numeric: true,
    ...(isProgress ? { remark: "progress bar" } : {}),
    ...(direction === "up" ? { initialOrder: "descending" as const } : {}),
  };
}

/** *rows* in *order*; unchanged where no column has the id. */
export function sortTrainings(
  rows: readonly TrainingListItem[],
  columns: readonly Column[],
  order: SortOrder,
  now: number,
): readonly TrainingListItem[] {
  const column = columns.find((one) => one.id === order.columnId);
  return column ? sortBy(rows, (training) => column.sortValue(training, now), order.descending) : rows;
}

/** The order with the best value of *metric* first. */
export function bestFirstOrder(metric: string | null, direction: Direction): SortOrder {
  return metric === null
    ? { columnId: "", descending: false }
    : { columnId: metricColumnId(metric), descending: direction === "up" };
}
