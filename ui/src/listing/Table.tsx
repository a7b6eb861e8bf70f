/** A table of trainings: sorted by its heads, chosen from by its boxes; only rows that changed are drawn again. */

import { Component, type JSX } from "preact";
import { useId } from "preact/hooks";

import type { Outline } from "../api";
import { isFinal, keyOf, taskLabel } from "./outline";
import { ariaSort, clicked, type Order } from "./sort";
import { Swatch } from "./Swatch";
import type { Column } from "./tabular";

/** Choosing by boxes in the first column. */
export interface Choice {
  chosen: ReadonlySet<string>;
  /** The place of each chosen one's curve among the colours. */
  slots: ReadonlyMap<string, number>;
  /** Whether no more can be chosen. */
  full: boolean;
  toggle: (key: string) => void;
}

interface Props {
  caption: string;
  columns: readonly Column[];
  rows: readonly Outline[];
  order: Order;
  onOrder: (order: Order) => void;
  /** Milliseconds since the epoch. */
  now: number;
  choice?: Choice;
  /** The key of the row that is pointed at elsewhere. */
  pointed?: string | null;
  onPoint?: (key: string | null) => void;
}

export function Table(props: Props): JSX.Element {
  const { columns, order, onOrder, choice } = props;
  const caption = useId();
  return (
    <div class="listing-scroll" role="region" aria-labelledby={caption} tabIndex={0}>
      <table class="listing-table">
        <caption id={caption}>{props.caption}</caption>
        <thead>
          <tr>
            {choice && <th scope="col">Curve</th>}
            {columns.map((column) => (
              <th key={column.id} scope="col" aria-sort={ariaSort(order, column.id)} class={numeric(column)}>
                <button type="button" onClick={() => onOrder(clicked(order, column.id, column.first))}>
                  {column.title}
                  <span aria-hidden="true" class="listing-arrow">
                    {order.by === column.id ? (order.descending ? "▼" : "▲") : ""}
                  </span>
                </button>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {props.rows.map((one) => {
            const key = keyOf(one);
            const chosen = choice?.chosen.has(key) ?? false;
            return (
              <Row
                key={key}
                one={one}
                columns={columns}
                now={isFinal(one) ? 0 : props.now} // an ended one looks the same at any time
                pointed={props.pointed === key}
                chosen={chosen}
                slot={chosen ? choice?.slots.get(key) : undefined}
                closed={!chosen && (choice?.full ?? false)}
                toggle={choice?.toggle}
                onPoint={props.onPoint}
              />
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

const numeric = (column: Column): string | undefined => (column.numeric ? "listing-number" : undefined);

interface RowProps {
  one: Outline;
  columns: readonly Column[];
  now: number;
  chosen: boolean;
  slot: number | undefined;
  /** Whether it can't be chosen, as there are as many as can be. */
  closed: boolean;
  pointed: boolean;
  toggle: Choice["toggle"] | undefined;
  onPoint: Props["onPoint"];
}

class Row extends Component<RowProps> {
  override shouldComponentUpdate(next: RowProps): boolean {
    return (Object.keys(next) as (keyof RowProps)[]).some((name) => next[name] !== this.props[name]);
  }

  override render({ one, columns, now, chosen, slot, closed, pointed, toggle, onPoint }: RowProps): JSX.Element {
    const key = keyOf(one);
    return (
      <tr
        class={pointed ? "listing-pointed" : undefined}
        onMouseEnter={onPoint && (() => onPoint(key))}
        onMouseLeave={onPoint && (() => onPoint(null))}
      >
        {toggle && (
          <td>
            <label class="listing-choose">
              <input
                type="checkbox"
                checked={chosen}
                disabled={one.id === null || closed}
                aria-label={`Show the curve of ${taskLabel(one.ref)}, ${one.name}`}
                onChange={() => toggle(key)}
              />
              <Swatch slot={slot} />
            </label>
          </td>
        )}
        {columns.map((column, index) =>
          index === 0 ? (
            <th key={column.id} scope="row">
              {column.show(one, now)}
            </th>
          ) : (
            <td key={column.id} class={numeric(column)}>
              {column.show(one, now)}
            </td>
          ),
        )}
      </tr>
    );
  }
}
