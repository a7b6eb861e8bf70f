/** The trainings of one run: a table, best first, and the curves of selected ones. */

import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";

import type { TrainingListItem } from "../api/types";
import * as trainingColumns from "./trainingColumns";
import { metricNames, parameterNames } from "./columnNames";
import { CurveComparison } from "./CurveComparison";
import { formatNumber } from "../shared/format";
import { MetricSelector } from "./MetricSelector";
import type { Direction } from "./metricDirection";
import { trainingKey } from "./trainingFields";
import { bestKeys, MAX_CURVES } from "./curveSelection";
import type { SortOrder } from "./sort";
import { bestFirstOrder, metricColumn, sortTrainings, parameterColumn } from "./tableColumns";
import { TrainingTable } from "./TrainingTable";
import { useCurveSelection } from "./useCurveSelection";
import { useMetricSelection } from "./useMetricSelection";

/** Further metrics are shown on each training's own page only. */
const MAX_METRIC_COLUMNS = 6;

export function SweepComparison({
  trainings,
  now,
}: {
  trainings: readonly TrainingListItem[];
  now: number;
}): JSX.Element {
  const names = useMemo(() => metricNames(trainings), [trainings]);
  const { differing, shared } = useMemo(() => parameterNames(trainings), [trainings]);
  const metricSelection = useMetricSelection(names);
  const { metric, direction } = metricSelection;
  const [chosenOrder, setChosenOrder] = useState<SortOrder | null>(null);
  const [highlighted, setHighlighted] = useState<string | null>(null);
  const shownMetrics = names.filter((name, index) => index < MAX_METRIC_COLUMNS || name === metric);
  const columns = useMemo(
    () => [
      trainingColumns.task,
      trainingColumns.state,
      trainingColumns.phase,
      ...shownMetrics.map((name) => metricColumn(name, formatNumber, name === metric ? direction : undefined)),
      ...differing.map(parameterColumn),
      trainingColumns.elapsed,
      trainingColumns.framework,
      trainingColumns.resources,
    ],
    [shownMetrics.join("\n"), differing.join("\n"), metric, direction],
  );
  const order = chosenOrder ?? bestFirstOrder(metric, direction);
  const rows = useMemo(
    () => sortTrainings(trainings, columns, order, now),
    [trainings, columns, order.columnId, order.descending, now],
  );
  // Only a change of state selects anew, not each new value: curves must not appear and disappear while the user looks.
  const states = trainings.map((one) => `${trainingKey(one)} ${one.state}`).join("\n");
  const defaultKeys = useMemo(() => bestKeys(trainings, metric, direction), [states, metric, direction]);
  const { selection, trainings: selected, select } = useCurveSelection(rows, defaultKeys);
  const onMetric = (name: string): void => {
    setChosenOrder(null);
    metricSelection.onMetric(name);
  };
  const onDirection = (next: Direction): void => {
    setChosenOrder(null);
    metricSelection.onDirection(next);
  };
  return (
    <>
      <MetricSelector names={names} {...metricSelection} onMetric={onMetric} onDirection={onDirection} />
      {shared.length > 0 && <SharedParameters training={trainings[0]} names={shared} />}
      <TrainingTable
        caption={`${trainings.length} trainings; curves of ${selected.length} (at most ${MAX_CURVES}) below`}
        columns={columns}
        rows={rows}
        order={order}
        onOrder={setChosenOrder}
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
