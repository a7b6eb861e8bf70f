/** All trainings this Airflow started, the queue, and who holds which GPUs. */

import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";

import type { Outline } from "../api";
import * as cells from "../listing/cells";
import { metricNames } from "../listing/columns";
import { formatNumber } from "../listing/core";
import { filtered, type Filters as Chosen, readFilters, writeFilters } from "../listing/filter";
import { Filters } from "../listing/Filters";
import { Listed } from "../listing/Listed";
import { rewriteQuery } from "../listing/navigate";
import { QueuePanel } from "../listing/QueuePanel";
import type { Order } from "../listing/sort";
import { type Column, ordered } from "../listing/tabular";
import { Table } from "../listing/Table";
import { useListing } from "../listing/useListing";

/** How many trainings the list holds at most; a DAG's own page goes further back. */
const LIMIT = 200;

export function Trainings({ query }: { query: URLSearchParams }): JSX.Element {
  const fresh = useListing("trainings", { limit: String(LIMIT) });
  const [filters, setFilters] = useState(() => readFilters(query));
  const filter = (next: Chosen): void => {
    setFilters(next);
    rewriteQuery(writeFilters(new URLSearchParams(window.location.search), next));
  };
  return (
    <Listed title="Trainings" fresh={fresh} empty="No task of this Airflow has submitted a training yet.">
      {(trainings) => (
        <>
          <QueuePanel trainings={trainings} />
          <All trainings={trainings} now={fresh.now} filters={filters} onFilters={filter} />
        </>
      )}
    </Listed>
  );
}

interface Props {
  trainings: readonly Outline[];
  now: number;
  filters: Chosen;
  onFilters: (filters: Chosen) => void;
}

function All({ trainings, now, filters, onFilters }: Props): JSX.Element {
  const [order, setOrder] = useState<Order>({ by: cells.submitted.id, descending: true });
  const services = new Set(trainings.map((one) => one.connection)).size;
  const columns = useMemo(() => columnsFor(services > 1), [services > 1]);
  const shown = useMemo(() => filtered(trainings, filters), [trainings, filters]);
  const rows = useMemo(() => ordered(shown, columns, order, now), [shown, columns, order, now]);
  return (
    <section aria-labelledby="all">
      <h2 id="all">All runs</h2>
      <Filters all={trainings} shown={rows.length} filters={filters} onFilters={onFilters} />
      {rows.length === 0 ? (
        <p>None of the {trainings.length} newest trainings fits these filters.</p>
      ) : (
        <Table
          caption={trainings.length < LIMIT ? "All trainings" : `The newest ${LIMIT} trainings`}
          columns={columns}
          rows={rows}
          order={order}
          onOrder={setOrder}
          now={now}
        />
      )}
    </section>
  );
}

/** DAGs have their own metrics, so the few that matter most share one column. */
const metrics: Column = {
  id: "metrics",
  title: "Metrics",
  cell: (one) => one.metrics[metricNames([one])[0] ?? ""] ?? null,
  show: (one) =>
    metricNames([one])
      .slice(0, 2)
      .map((name) => `${name} ${formatNumber(one.metrics[name] ?? NaN)}`)
      .join(", ") || "–",
};

function columnsFor(severalServices: boolean): Column[] {
  const { task, dag, run, state, phase, submitted, lasted, framework, resources, service } = cells;
  return [task, state, dag, run, phase, metrics, submitted, lasted, framework, resources].concat(
    severalServices ? [service] : [],
  );
}
