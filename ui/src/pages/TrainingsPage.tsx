/** All trainings of this Airflow, and for each service the queue and the GPUs in use. */

import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";

import type { TrainingListItem } from "../api/types";
import * as trainingColumns from "../listing/trainingColumns";
import { metricNames } from "../listing/columnNames";
import { formatNumber } from "../shared/format";
import { filterTrainings, type FilterValues, parseFilters, filtersToQuery } from "../listing/filter";
import { FilterForm } from "../listing/FilterForm";
import { ListPage } from "../listing/ListPage";
import { replaceQuery } from "../shared/airflowNavigation";
import { QueuePanel } from "../listing/QueuePanel";
import type { SortOrder } from "../listing/sort";
import { type Column, sortTrainings } from "../listing/tableColumns";
import { TrainingTable } from "../listing/TrainingTable";
import { useListing } from "../listing/useListing";
import { toNumber } from "../shared/metricNumber";

/** The maximum length of the list; the page of one DAG shows older trainings of it. */
const MAX_TRAININGS = 200;

export function TrainingsPage({ query }: { query: URLSearchParams }): JSX.Element {
  const listing = useListing("trainings", { limit: String(MAX_TRAININGS) });
  const [filters, setFilters] = useState(() => parseFilters(query));
  const onFilters = (next: FilterValues): void => {
    setFilters(next);
    replaceQuery(filtersToQuery(new URLSearchParams(window.location.search), next));
  };
  return (
    <ListPage title="Trainings" listing={listing} emptyText="No task of this Airflow has submitted a training yet.">
      {(trainings) => (
        <>
          <QueuePanel trainings={trainings} />
          <AllTrainings trainings={trainings} now={listing.updatedAt} filters={filters} onFilters={onFilters} />
        </>
      )}
    </ListPage>
  );
}

interface Props {
  trainings: readonly TrainingListItem[];
  now: number;
  filters: FilterValues;
  onFilters: (filters: FilterValues) => void;
}

function AllTrainings({ trainings, now, filters, onFilters }: Props): JSX.Element {
  const [order, setOrder] = useState<SortOrder>({ columnId: trainingColumns.submitted.id, descending: true });
  const services = new Set(trainings.map(({ connection }) => connection)).size;
  const columns = useMemo(() => columnsFor(services > 1), [services > 1]);
  const shown = useMemo(() => filterTrainings(trainings, filters), [trainings, filters]);
  const rows = useMemo(() => sortTrainings(shown, columns, order, now), [shown, columns, order, now]);
  return (
    <section aria-labelledby="all">
      <h2 id="all">All runs</h2>
      <FilterForm all={trainings} shown={rows.length} filters={filters} onFilters={onFilters} />
      {rows.length === 0 ? (
        <p>None of the {trainings.length} newest trainings matches these filters.</p>
      ) : (
        <TrainingTable
          caption={trainings.length < MAX_TRAININGS ? "All trainings" : `The newest ${MAX_TRAININGS} trainings`}
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

/** One column with the first two metrics of each training, because each DAG has other metrics. */
const metricsColumn: Column = {
  id: "metrics",
  title: "Metrics",
  sortValue: (training) => toNumber(training.metrics[metricNames([training])[0] ?? ""] ?? NaN),
  render: (training) =>
    metricNames([training])
      .slice(0, 2)
      .map((name) => `${name} ${formatNumber(toNumber(training.metrics[name] ?? NaN))}`)
      .join(", ") || "–",
};

function columnsFor(severalServices: boolean): Column[] {
  const { task, dag, run, state, phase, submitted, elapsed, framework, resources, service } = trainingColumns;
  return [task, state, dag, run, phase, metricsColumn, submitted, elapsed, framework, resources].concat(
    severalServices ? [service] : [],
  );
}
