/** A training's curves: a chart for each metric, with solid lines for training and dashed lines for validation. */

import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";

import type { CurveSeries } from "../api/types";
import { ChartControls, type ChartSettings, useChartSettings } from "../shared/ChartControls";
import { formatNumber } from "../shared/format";
import { attemptMarks, type AttemptStart } from "./attemptMarks";
import { type AxisChoice, axisTitle, chartAxis } from "./chartAxis";
import { CurveChart } from "./CurveChart";
import type { ChartLine } from "./curvePlot";
import { pointsBefore } from "./earlierLines";
import { groupByMetric, isOffAtFirst, type MetricGroup, seriesLabel } from "./metricGroups";

interface Props {
  series: readonly CurveSeries[];
  /** The series of the training with whose checkpoint this one began. */
  earlier: readonly CurveSeries[];
  /** The starts of further attempts. */
  attempts: readonly AttemptStart[];
  /** The training's start in seconds since the epoch; null where it is unknown. */
  start: number | null;
  /** Whether no more points can come. */
  isComplete: boolean;
}

export function MetricCharts({ series, earlier, attempts, start, isComplete }: Props): JSX.Element {
  const [settings, setSettings] = useChartSettings();
  const [choice, setChoice] = useState<AxisChoice>("automatic");
  const groups = useMemo(() => groupByMetric(series), [series]);
  if (groups.length === 0)
    return (
      <p class="quiet">
        {isComplete
          ? "No metrics were recognized in the log and in the event files of this training. The operator's parameter " +
            "metric_definitions defines how metrics are read from the log: see “Where metrics come from” in the documentation."
          : "No metrics yet. They are read from the log and from TensorBoard's event files."}
      </p>
    );
  return (
    <>
      <ChartControls settings={settings} onChange={setSettings}>
        <label>
          Horizontal axis{" "}
          <select value={choice} onChange={(event) => setChoice(event.currentTarget.value as AxisChoice)}>
            <option value="automatic">as printed</option>
            <option value="step">step or epoch</option>
            <option value="elapsed">time</option>
          </select>
        </label>
      </ChartControls>
      <div class="charts">
        {groups.map((group) => (
          <MetricChart
            key={`${group.name} ${group.axis}`}
            group={group}
            all={series}
            earlier={earlier}
            attempts={attempts}
            isNameUnique={groups.filter((one) => one.name === group.name).length < 2}
            choice={choice}
            start={start}
            settings={settings}
          />
        ))}
      </div>
    </>
  );
}

interface ChartProps {
  group: MetricGroup;
  all: readonly CurveSeries[];
  earlier: readonly CurveSeries[];
  attempts: readonly AttemptStart[];
  isNameUnique: boolean;
  choice: AxisChoice;
  start: number | null;
  settings: ChartSettings;
}

function MetricChart(props: ChartProps): JSX.Element {
  const { group, all, earlier, attempts, isNameUnique, choice, start, settings } = props;
  const axis = chartAxis(group.axis, choice, start);
  const isOverTime = axis === "elapsed";
  const lines = useMemo(() => {
    const own = group.series.map((one, slot) => chartLine(one, slot, group));
    return isOverTime ? own : [...own, ...group.series.flatMap((one, slot) => earlierLine(one, slot, group, earlier))];
  }, [group, earlier, isOverTime]);
  const hidden = useMemo(
    () => new Set(group.series.filter((one) => isOffAtFirst(one, all)).map(seriesKey)),
    [group, all],
  );
  const marks = attemptMarks(attempts, group.series, isOverTime ? start : null);
  return (
    <CurveChart
      title={isNameUnique ? group.name : `${group.name} by ${axisTitle(chartAxis(group.axis, "automatic", start))}`}
      valueTitle={group.name}
      lines={lines}
      hiddenAtFirst={hidden}
      axis={axis}
      start={start}
      settings={settings}
      formatValue={formatNumber}
      marks={marks}
    />
  );
}

function chartLine(series: CurveSeries, slot: number, group: MetricGroup): ChartLine {
  return {
    key: seriesKey(series),
    label: seriesLabel(series, group),
    slot,
    points: series.points,
    dashed: series.phase === "validation",
    light: series.progress,
  };
}

/** The line of the earlier training that *series* continues, where it has one and is shown at first. */
function earlierLine(series: CurveSeries, slot: number, group: MetricGroup, all: readonly CurveSeries[]): ChartLine[] {
  const points = series.progress ? null : pointsBefore(series, all);
  if (points === null) return [];
  const line = chartLine(series, slot, group);
  return [{ ...line, key: `earlier/${line.key}`, label: `${line.label} (earlier training)`, points, earlier: true }];
}

const seriesKey = (one: CurveSeries): string => [one.phase, one.name, one.axis, one.progress].join("/");
