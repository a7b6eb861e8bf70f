/** The trainings of a DAG over its runs, and the trend of a metric. */

import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";

import type { TrainingListItem } from "../api/types";
import * as trainingColumns from "../listing/trainingColumns";
import { metricNames, parameterNames } from "../listing/columnNames";
import { CurveComparison } from "../listing/CurveComparison";
import { formatNumber } from "../shared/format";
import { ListPage } from "../listing/ListPage";
import { MetricSelector } from "../listing/MetricSelector";
import { filtersToQuery, filterTrainings, parseFilters } from "../listing/filter";
import { FilterForm } from "../listing/FilterForm";
import { metricSelection } from "../listing/metricSelection";
import { withValues } from "../listing/queryValues";
import { orderText, parseOrder, type SortOrder } from "../listing/sort";
import { metricColumn, parameterColumn, sortTrainings, usedColumns } from "../listing/tableColumns";
import { isUnknown } from "../listing/trainingFields";
import { TrainingTable } from "../listing/TrainingTable";
import { MetricTrends } from "../listing/MetricTrends";
import { useCurveSelection } from "../listing/useCurveSelection";
import { useListing } from "../listing/useListing";
import { type Settings, useSettings } from "../listing/useSettings";

export function DagPage({ query }: { query: URLSearchParams }): JSX.Element {
  const dag_id = query.get("dag_id") ?? "";
  const settings = useSettings(query);
  const listing = useListing("dag", { dag_id });
  return (
    <ListPage
      title={`Trainings of ${dag_id}`}
      listing={listing}
      emptyText="No run of this DAG has submitted a training yet."
    >
      {(trainings) => <DagTrainings trainings={trainings} now={listing.updatedAt} settings={settings} />}
    </ListPage>
  );
}

const NEWEST_FIRST: SortOrder = { columnId: trainingColumns.submitted.id, descending: true };

const NO_SELECTION: ReadonlySet<string> = new Set();

interface Props {
  trainings: readonly TrainingListItem[];
  now: number;
  settings: Settings;
}

function DagTrainings({ trainings: all, now, settings }: Props): JSX.Element {
  const filters = parseFilters(settings.query);
  const trainings = useMemo(() => filterTrainings(all, filters), [all, JSON.stringify(filters)]);
  const names = useMemo(() => metricNames(all), [all]);
  const { differing } = useMemo(() => parameterNames(all), [all]);
  const selectedMetric = metricSelection(names, settings);
  const { metric, direction } = selectedMetric;
  const order = parseOrder(settings.query.get("sort")) ?? NEWEST_FIRST;
  const [highlighted, setHighlighted] = useState<string | null>(null);
  const columns = useMemo(
    () =>
      usedColumns(
        [
          trainingColumns.task,
          trainingColumns.state,
          trainingColumns.run,
          ...names.filter(({ name }) => name === metric).map((one) => metricColumn(one, formatNumber, direction)),
          ...differing.map(parameterColumn),
          trainingColumns.tags,
          trainingColumns.note,
          trainingColumns.submitted,
          trainingColumns.elapsed,
          trainingColumns.total,
          trainingColumns.id,
          trainingColumns.framework,
        ],
        all,
      ),
    [JSON.stringify(names), metric, direction, differing.join("\n"), all],
  );
  const rows = useMemo(
    () => sortTrainings(trainings, columns, order, now),
    [trainings, columns, order.columnId, order.descending, now],
  );
  const { selection, trainings: selected } = useCurveSelection(rows, NO_SELECTION);
  return (
    <>
      <MetricSelector names={names} {...selectedMetric} />
      <FilterForm
        all={all}
        shown={rows.length}
        filters={filters}
        onFilters={(next) => settings.change((query) => filtersToQuery(query, next))}
        ofOneDag
      />
      {metric === null ? (
        <p>
          {all.some(isUnknown)
            ? "The metrics of these trainings are not known now."
            : "No training of this DAG has metrics yet."}
        </p>
      ) : (
        <MetricTrends trainings={trainings} metric={metric} direction={direction} />
      )}
      <TrainingTable
        caption="Select trainings to compare their curves"
        columns={columns}
        rows={rows}
        order={order}
        onOrder={(next) => settings.change((query) => withValues(query, { sort: orderText(next) }))}
        now={now}
        selection={selection}
        highlighted={highlighted}
        onHighlight={setHighlighted}
      />
      <CurveComparison
        trainings={selected}
        slots={selection.slots}
        differing={differing}
        preferredMetric={metric}
        highlighted={highlighted}
        onHighlight={setHighlighted}
        withRun
      />
    </>
  );
}
