/** A table of trainings with their curves below, best first. */

import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";

import type { Outline } from "../api";
import * as cells from "./cells";
import { metricNames, parameterNames } from "./columns";
import { Compare } from "./Compare";
import { formatNumber } from "./core";
import { MetricChoice } from "./MetricChoice";
import { keyOf } from "./outline";
import { bestFew, MOST } from "./rank";
import type { Order } from "./sort";
import { bestFirst, metricColumn, ordered, parameterColumn } from "./tabular";
import { Table } from "./Table";
import { useChoice } from "./useChoice";
import { useMetric } from "./useMetric";

/** More metrics than these are left to each training's own page. */
const MOST_METRICS = 6;

export function Sweep({ trainings, now }: { trainings: readonly Outline[]; now: number }): JSX.Element {
  const names = useMemo(() => metricNames(trainings), [trainings]);
  const { differing, shared } = useMemo(() => parameterNames(trainings), [trainings]);
  const judged = useMetric(names);
  const { metric, direction } = judged;
  const [said, setSaid] = useState<Order | null>(null);
  const [pointed, setPointed] = useState<string | null>(null);
  const shown = names.filter((name, index) => index < MOST_METRICS || name === metric);
  const columns = useMemo(
    () => [
      cells.task,
      cells.state,
      cells.phase,
      ...shown.map((name) => metricColumn(name, formatNumber, name === metric ? direction : undefined)),
      ...differing.map(parameterColumn),
      cells.lasted,
      cells.framework,
      cells.resources,
    ],
    [shown.join("\n"), differing.join("\n"), metric, direction],
  );
  const order = said ?? bestFirst(metric, direction);
  const rows = useMemo(
    () => ordered(trainings, columns, order, now),
    [trainings, columns, order.by, order.descending, now],
  );
  // Not anew with each value that comes in: curves that come and go by themselves can't be looked at.
  const stage = trainings.map((one) => `${keyOf(one)} ${one.state}`).join("\n");
  const suggested = useMemo(() => bestFew(trainings, metric, direction), [stage, metric, direction]);
  const { choice, chosen, choose } = useChoice(rows, suggested);
  const judgeBy = {
    onMetric: (name: string) => (setSaid(null), judged.onMetric(name)),
    onDirection: (way: typeof direction) => (setSaid(null), judged.onDirection(way)),
  };
  return (
    <>
      <MetricChoice names={names} {...judged} {...judgeBy} />
      {shared.length > 0 && <Shared one={trainings[0]} names={shared} />}
      <Table
        caption={`${trainings.length} trainings, ${chosen.length} of them (at most ${MOST}) with their curves below`}
        columns={columns}
        rows={rows}
        order={order}
        onOrder={setSaid}
        now={now}
        choice={choice}
        pointed={pointed}
        onPoint={setPointed}
      />
      <p class="listing-controls">
        <button type="button" onClick={() => choose(null)}>
          The best
        </button>
        <button type="button" onClick={() => choose(new Set())}>
          None
        </button>
      </p>
      <Compare
        chosen={chosen}
        slots={choice.slots}
        differing={differing}
        preferred={metric}
        pointed={pointed}
        onPoint={setPointed}
      />
    </>
  );
}

/** What all trainings have in common needs no columns. */
function Shared({ one, names }: { one: Outline | undefined; names: readonly string[] }): JSX.Element {
  return (
    <p class="listing-muted">
      All with{" "}
      {names.map((name, index) => (
        <span key={name}>
          {index > 0 && ", "}
          {name} <b>{one?.parameters[name]}</b>
        </span>
      ))}
      .
    </p>
  );
}
