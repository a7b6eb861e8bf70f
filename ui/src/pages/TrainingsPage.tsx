/** All trainings of this Airflow, and for each service the queue and the GPUs in use. */

import type { JSX } from "preact";
import { useMemo } from "preact/hooks";

import type { TrainingListItem } from "../api/types";
import * as trainingColumns from "../listing/trainingColumns";
import { metricNames } from "../listing/columnNames";
import { formatNumber } from "../shared/format";
import { filterTrainings, parseFilters, filtersToQuery } from "../listing/filter";
import { FilterForm } from "../listing/FilterForm";
import { ListPage } from "../listing/ListPage";
import { QueuePanel } from "../listing/QueuePanel";
import { withValues } from "../listing/queryValues";
import { orderText, parseOrder, type SortOrder } from "../listing/sort";
import { type Column, sortTrainings, usedColumns } from "../listing/tableColumns";
import { metricValue } from "../listing/trainingFields";
import { TrainingTable } from "../listing/TrainingTable";
import { UsagePanel } from "../listing/UsagePanel";
import { useListing } from "../listing/useListing";
import { type Settings, useSettings } from "../listing/useSettings";

/** The maximum length of the list; the page of one DAG shows older trainings of it. */
const MAX_TRAININGS = 200;

export function TrainingsPage({ query }: { query: URLSearchParams }): JSX.Element {
  const listing = useListing("trainings", { limit: String(MAX_TRAININGS) });
  const settings = useSettings(query);
  return (
    <ListPage title="Trainings" listing={listing} emptyText="No task of this Airflow has submitted a training yet.">
      {(trainings) => (
        <>
          <QueuePanel trainings={trainings} unavailable={listing.unavailable} />
          <UsagePanel />
          <AllTrainings trainings={trainings} now={listing.updatedAt} settings={settings} />
        </>
      )}
    </ListPage>
  );
}

interface Props {
  trainings: readonly TrainingListItem[];
  now: number;
  settings: Settings;
}

const NEWEST_FIRST: SortOrder = { columnId: trainingColumns.submitted.id, descending: true };

function AllTrainings({ trainings, now, settings }: Props): JSX.Element {
  const filters = parseFilters(settings.query);
  const order = parseOrder(settings.query.get("sort")) ?? NEWEST_FIRST;
  const columns = useMemo(() => columnsFor(trainings), [trainings]);
  const shown = useMemo(() => filterTrainings(trainings, filters), [trainings, JSON.stringify(filters)]);
  const rows = useMemo(
    () => sortTrainings(shown, columns, order, now),
    [shown, columns, order.columnId, order.descending, now],
  );
  return (
    <section aria-labelledby="all">
      <h2 id="all">All runs</h2>
      <FilterForm
        all={trainings}
        shown={rows.length}
        filters={filters}
        onFilters={(next) => settings.change((query) => filtersToQuery(query, next))}
      />
      {rows.length === 0 ? (
        <p>None of the {trainings.length} newest trainings matches these filters.</p>
      ) : (
        <TrainingTable
          caption={trainings.length < MAX_TRAININGS ? "All trainings" : `The newest ${MAX_TRAININGS} trainings`}
          columns={columns}
          rows={rows}
          order={order}
          onOrder={(next) => settings.change((query) => withValues(query, { sort: orderText(next) }))}
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
  sortValue: (training) => metricValue(training, metricNames([training])[0]?.name ?? ""),
  render: (training) =>
    metricNames([training])
      .slice(0, 2)
      .map(({ name }) => `${name} ${formatNumber(metricValue(training, name) ?? NaN)}`)
      .join(", ") || "–",
};

function columnsFor(trainings: readonly TrainingListItem[]): Column[] {
  const { task, state, dag, run, phase, tags, note, submitted, elapsed, total, id, framework, resources, service } =
    trainingColumns;
  const { name } = trainingColumns;
  const columns = [task, state, dag, run, id, phase, submitted, total, metricsColumn, tags, note, elapsed, name];
  const isOneService = new Set(trainings.map(({ connection }) => connection)).size < 2;
  return usedColumns([...columns, framework, resources, ...(isOneService ? [] : [service])], trainings);
}
