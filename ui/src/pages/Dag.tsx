/** A DAG's trainings over its runs: whether the nightly model gets better or worse. */

import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";

import type { Outline } from "../api";
import * as cells from "../listing/cells";
import { metricNames, parameterNames } from "../listing/columns";
import { Compare } from "../listing/Compare";
import { formatNumber } from "../listing/core";
import { Listed } from "../listing/Listed";
import { MetricChoice } from "../listing/MetricChoice";
import type { Order } from "../listing/sort";
import { metricColumn, ordered, parameterColumn } from "../listing/tabular";
import { Table } from "../listing/Table";
import { Trends } from "../listing/Trends";
import { useChoice } from "../listing/useChoice";
import { useListing } from "../listing/useListing";
import { useMetric } from "../listing/useMetric";

export function Dag({ query }: { query: URLSearchParams }): JSX.Element {
  const dag_id = query.get("dag_id") ?? "";
  const fresh = useListing("dag", { dag_id });
  return (
    <Listed title={`Trainings of ${dag_id}`} fresh={fresh} empty="No run of this DAG has submitted a training yet.">
      {(trainings) => <OverRuns trainings={trainings} now={fresh.now} />}
    </Listed>
  );
}

const NONE: ReadonlySet<string> = new Set();

function OverRuns({ trainings, now }: { trainings: readonly Outline[]; now: number }): JSX.Element {
  const names = useMemo(() => metricNames(trainings), [trainings]);
  const { differing } = useMemo(() => parameterNames(trainings), [trainings]);
  const judged = useMetric(names);
  const { metric, direction } = judged;
  const [order, setOrder] = useState<Order>({ by: cells.submitted.id, descending: true });
  const [pointed, setPointed] = useState<string | null>(null);
  const columns = useMemo(
    () => [
      cells.task,
      cells.state,
      cells.run,
      ...(metric === null ? [] : [metricColumn(metric, formatNumber, direction)]),
      ...differing.map(parameterColumn),
      cells.submitted,
      cells.lasted,
      cells.framework,
    ],
    [metric, direction, differing.join("\n")],
  );
  const rows = useMemo(() => ordered(trainings, columns, order, now), [trainings, columns, order, now]);
  const { choice, chosen } = useChoice(rows, NONE);
  return (
    <>
      <MetricChoice names={names} {...judged} />
      {metric === null ? (
        <p>No training of this DAG has said a metric yet.</p>
      ) : (
        <Trends trainings={trainings} metric={metric} direction={direction} />
      )}
      <Table
        caption="Newest first; choose some to compare their curves"
        columns={columns}
        rows={rows}
        order={order}
        onOrder={setOrder}
        now={now}
        choice={choice}
        pointed={pointed}
        onPoint={setPointed}
      />
      <Compare
        chosen={chosen}
        slots={choice.slots}
        differing={differing}
        preferred={metric}
        pointed={pointed}
        onPoint={setPointed}
        withRun
      />
    </>
  );
}
