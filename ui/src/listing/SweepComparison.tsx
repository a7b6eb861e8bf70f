/** The trainings of one run: a table, best first, and the curves of selected ones. */

import type { ComponentChildren, JSX } from "preact";
import { useMemo, useState } from "preact/hooks";

import type { TrainingListItem } from "../api/types";
import * as trainingColumns from "./trainingColumns";
import { type MetricName, metricNames, parameterNames } from "./columnNames";
import { CurveComparison } from "./CurveComparison";
import { formatNumber } from "../shared/format";
import { MetricSelector } from "./MetricSelector";
import { bestValue, type Direction } from "./metricDirection";
import { isUnknown, metricValue, trainingKey } from "./trainingFields";
import { bestKeys, MAX_CURVES } from "./curveSelection";
import { filtersToQuery, filterTrainings, parseFilters } from "./filter";
import { FilterForm } from "./FilterForm";
import { metricSelection } from "./metricSelection";
import { withValues } from "./queryValues";
import { orderText, parseOrder } from "./sort";
import { bestFirstOrder, type Column, metricColumn, parameterColumn, sortTrainings, usedColumns } from "./tableColumns";
import { TrainingTable } from "./TrainingTable";
import { useCurveSelection } from "./useCurveSelection";
import type { Settings } from "./useSettings";

/** Further metrics are shown on each training's own page only. */
const MAX_METRIC_COLUMNS = 6;

interface Props {
  trainings: readonly TrainingListItem[];
  now: number;
  settings: Settings;
}

export function SweepComparison({ trainings: all, now, settings }: Props): JSX.Element {
  const filters = parseFilters(settings.query);
  const trainings = useMemo(() => filterTrainings(all, filters), [all, JSON.stringify(filters)]);
  const names = useMemo(() => metricNames(all), [all]);
  const { differing, shared } = useMemo(() => parameterNames(all), [all]);
  const selectedMetric = metricSelection(names, settings);
  const { metric, direction } = selectedMetric;
  const [highlighted, setHighlighted] = useState<string | null>(null);
  const shownMetrics = names.filter(({ name }, index) => index < MAX_METRIC_COLUMNS || name === metric);
  const best = metric === null ? null : bestOfTrainings(trainings, metric, direction);
  const columns = useMemo(
    () =>
      usedColumns(
        [
          trainingColumns.task,
          trainingColumns.state,
          trainingColumns.phase,
          ...shownMetrics.map((one) =>
            one.name === metric ? bestMarkedColumn(one, best, direction) : metricColumn(one, formatNumber),
          ),
          ...differing.map(parameterColumn),
          trainingColumns.tags,
          trainingColumns.note,
          trainingColumns.elapsed,
          trainingColumns.total,
          trainingColumns.id,
          trainingColumns.framework,
          trainingColumns.resources,
        ],
        all,
      ),
    [JSON.stringify(shownMetrics), differing.join("\n"), metric, direction, best, all],
  );
  const order = parseOrder(settings.query.get("sort")) ?? bestFirstOrder(metric, direction);
  const rows = useMemo(
    () => sortTrainings(trainings, columns, order, now),
    [trainings, columns, order.columnId, order.descending, now],
  );
  // Only a change of state selects anew, not each new value: curves must not appear and disappear while the user looks.
  const states = trainings.map((one) => `${trainingKey(one)} ${one.state}`).join("\n");
  const defaultKeys = useMemo(() => bestKeys(trainings, metric, direction), [states, metric, direction]);
  const { selection, trainings: selected, select } = useCurveSelection(rows, defaultKeys);
  return (
    <>
      <MetricSelector names={names} {...selectedMetric} />
      {shared.length > 0 && <SharedParameters training={all.find((one) => !isUnknown(one))} names={shared} />}
      <FilterForm
        all={all}
        shown={rows.length}
        filters={filters}
        onFilters={(next) => settings.change((query) => filtersToQuery(query, next))}
        ofOneDag
      />
      <TrainingTable
        caption={`${trainings.length} trainings; curves of ${selected.length} (at most ${MAX_CURVES}) below`}
        columns={columns}
        rows={rows}
        order={order}
        onOrder={(next) => settings.change((query) => withValues(query, { sort: orderText(next) }))}
        now={now}
        selection={selection}
        highlighted={highlighted}
        onHighlight={setHighlighted}
      />
      <p class="listing-controls">
        <button type="button" onClick={() => select(null)}>
          Select the best
        </button>
        <button type="button" onClick={() => select(new Set())}>
          Select none
        </button>
      </p>
      <CurveComparison
        trainings={selected}
        slots={selection.slots}
        differing={differing}
        preferredMetric={metric}
        highlighted={highlighted}
        onHighlight={setHighlighted}
      />
    </>
  );
}

/** The best value of *metric*; null where no training has a finite one. */
function bestOfTrainings(
  trainings: readonly TrainingListItem[],
  metric: string,
  direction: Direction,
): number | null {
  const values = trainings.map((training) => metricValue(training, metric));
  return bestValue(
    values.filter((value) => value !== null),
    direction,
  );
}

/** The column of the metric that the table is ordered by, with a mark beside the value *best*. */
function bestMarkedColumn(metric: MetricName, best: number | null, direction: Direction): Column {
  const render = (value: number): ComponentChildren =>
    value === best ? (
      <>
        <b class="listing-best">best</b> {formatNumber(value)}
      </>
    ) : (
      formatNumber(value)
    );
  return metricColumn(metric, render, direction);
}

/** The parameters that have the same value in all trainings. */
interface SharedParametersProps {
  training: TrainingListItem | undefined;
  names: readonly string[];
}

function SharedParameters({ training, names }: SharedParametersProps): JSX.Element {
  return (
    <p class="listing-muted">
      Same for all:{" "}
      {names.map((name, index) => (
        <span key={name}>
          {index > 0 && ", "}
          {name} <b>{training?.parameters[name]}</b>
        </span>
      ))}
      .
    </p>
  );
}
