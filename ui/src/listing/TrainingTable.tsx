/** A table of trainings: column headers sort it, checkboxes select curves; only changed rows are rendered again. */

import { Component, type JSX } from "preact";
import { useId } from "preact/hooks";

import type { TrainingListItem } from "../api/types";
import { isFinal, trainingKey, taskLabel } from "./trainingFields";
import { ariaSort, nextOrder, type SortOrder } from "./sort";
import { ColourSwatch } from "./ColourSwatch";
import type { Column } from "./tableColumns";

/** The selection of curves by the checkboxes of the first column. */
export interface CurveSelection {
  keys: ReadonlySet<string>;
  /** The colour slot of each selected curve. */
  slots: ReadonlyMap<string, number>;
  /** Whether no more curves can be selected. */
  isFull: boolean;
  toggle: (key: string) => void;
}

interface Props {
  caption: string;
  columns: readonly Column[];
  rows: readonly TrainingListItem[];
  order: SortOrder;
  onOrder: (order: SortOrder) => void;
  /** Milliseconds since the epoch. */
  now: number;
  selection?: CurveSelection;
  /** The key of the row that the pointer is on, here or in the legend. */
  highlighted?: string | null;
  onHighlight?: (key: string | null) => void;
}

export function TrainingTable(props: Props): JSX.Element {
  const { columns, order, onOrder, selection } = props;
  const caption = useId();
  return (
    <div class="listing-scroll" role="region" aria-labelledby={caption} tabIndex={0}>
      <table class="listing-table">
        <caption id={caption}>{props.caption}</caption>
        <thead>
          <tr>
            {selection && <th scope="col">Curve</th>}
            {columns.map((column, index) => (
              <th
                key={column.id}
                scope="col"
                aria-sort={ariaSort(order, column.id)}
                class={index === 0 ? "listing-first" : numericClass(column)}
              >
                <button type="button" onClick={() => onOrder(nextOrder(order, column.id, column.initialOrder))}>
                  {column.title}
                  <span aria-hidden="true" class="listing-arrow">
                    {order.columnId === column.id ? (order.descending ? "▼" : "▲") : ""}
                  </span>
                  {column.remark && <small>{column.remark}</small>}
                </button>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {props.rows.map((training) => {
            const key = trainingKey(training);
            const isSelected = selection?.keys.has(key) ?? false;
            return (
              <TrainingRow
                key={key}
                training={training}
                columns={columns}
                now={isFinal(training) ? 0 : props.now} // a final one does not depend on the time
                highlighted={props.highlighted === key}
                isSelected={isSelected}
                slot={isSelected ? selection?.slots.get(key) : undefined}
                disabled={!isSelected && (selection?.isFull ?? false)}
                toggle={selection?.toggle}
                onHighlight={props.onHighlight}
              />
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

const numericClass = (column: Column): string | undefined => (column.numeric ? "listing-number" : undefined);

interface RowProps {
  training: TrainingListItem;
  columns: readonly Column[];
  now: number;
  isSelected: boolean;
  slot: number | undefined;
  /** Whether it can't be selected, because the selection is full. */
  disabled: boolean;
  highlighted: boolean;
  toggle: CurveSelection["toggle"] | undefined;
  onHighlight: Props["onHighlight"];
}

class TrainingRow extends Component<RowProps> {
  override shouldComponentUpdate(next: RowProps): boolean {
    return (Object.keys(next) as (keyof RowProps)[]).some((name) => next[name] !== this.props[name]);
  }

  override render({
    training,
    columns,
    now,
    isSelected,
    slot,
    disabled,
    highlighted,
    toggle,
    onHighlight,
  }: RowProps): JSX.Element {
    const key = trainingKey(training);
    return (
      <tr
        class={highlighted ? "listing-highlighted" : undefined}
        onMouseEnter={onHighlight && (() => onHighlight(key))}
        onMouseLeave={onHighlight && (() => onHighlight(null))}
      >
        {toggle && (
          <td>
            <label class="listing-select">
              <input
                type="checkbox"
                checked={isSelected}
                disabled={training.id === null || disabled}
                aria-label={`Show the curve of ${taskLabel(training.ref)}, ${training.name}`}
                onChange={() => toggle(key)}
              />
              <ColourSwatch slot={slot} />
            </label>
          </td>
        )}
        {columns.map((column, index) =>
          index === 0 ? (
            <th key={column.id} scope="row">
              {column.render(training, now)}
            </th>
          ) : (
            <td key={column.id} class={numericClass(column)}>
              {column.render(training, now)}
            </td>
          ),
        )}
      </tr>
    );
  }
}
