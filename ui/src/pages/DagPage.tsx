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
import type { SortOrder } from "../listing/sort";
import { metricColumn, sortTrainings, parameterColumn } from "../listing/tableColumns";
import { TrainingTable } from "../listing/TrainingTable";
import { MetricTrends } from "../listing/MetricTrends";
import { useCurveSelection } from "../listing/useCurveSelection";
import { useListing } from "../listing/useListing";
import { useMetricSelection } from "../listing/useMetricSelection";

export function DagPage({ query }: { query: URLSearchParams }): JSX.Element {
  const dag_id = query.get("dag_id") ?? "";
  const listing = useListing("dag", { dag_id });
  return (
    <ListPage
      title={`Trainings of ${dag_id}`}
      listing={listing}
      emptyText="No run of this DAG has submitted a training yet."
    >
      {(trainings) => <DagTrainings trainings={trainings} now={listing.updatedAt} />}
    </ListPage>
  );
}

const NO_SELECTION: ReadonlySet<string> = new Set();

function DagTrainings({ trainings, now }: { trainings: readonly TrainingListItem[]; now: number }): JSX.Element {
  const names = useMemo(() => metricNames(trainings), [trainings]);
  const { differing } = useMemo(() => parameterNames(trainings), [trainings]);
  const metricSelection = useMetricSelection(names);
  const { metric, direction } = metricSelection;
  const [order, setOrder] = useState<SortOrder>({ columnId: trainingColumns.submitted.id, descending: true });
  const [highlighted, setHighlighted] = useState<string | null>(null);
  const columns = useMemo(
    () => [
      trainingColumns.task,
      trainingColumns.state,
      trainingColumns.run,
      ...(metric === null ? [] : [metricColumn(metric, formatNumber, direction)]),
      ...differing.map(parameterColumn),
      trainingColumns.submitted,
      trainingColumns.elapsed,
      trainingColumns.framework,
    ],
    [metric, direction, differing.join("\n")],
  );
  const rows = useMemo(() => sortTrainings(trainings, columns, order, now), [trainings, columns, order, now]);
  const { selection, trainings: selected } = useCurveSelection(rows, NO_SELECTION);
  return (
    <>
      <MetricSelector names={names} {...metricSelection} />
      {metric === null ? (
        <p>No training of this DAG has metrics yet.</p>
      ) : (
        <MetricTrends trainings={trainings} metric={metric} direction={direction} />
      )}
      <TrainingTable
        caption="Newest first; select trainings to compare their curves"
        columns={columns}
        rows={rows}
        order={order}
        onOrder={setOrder}
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
