/** A training's curves: a chart for each metric, with solid lines for training and dashed lines for validation. */

import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";

import type { CurveSeries } from "../api/types";
import { ChartControls, type ChartSettings, useChartSettings } from "../shared/ChartControls";
import { formatNumber } from "../shared/format";
import { type AxisChoice, axisTitle, chartAxis } from "./chartAxis";
import { CurveChart } from "./CurveChart";
import type { ChartLine } from "./curvePlot";
import { groupByMetric, isOffAtFirst, type MetricGroup, seriesLabel } from "./metricGroups";

interface Props {
  series: readonly CurveSeries[];
  /** The training's start in seconds since the epoch; null where it is unknown. */
  start: number | null;
  /** Whether no more points can come. */
  isComplete: boolean;
}

export function MetricCharts({ series, start, isComplete }: Props): JSX.Element {
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
  isNameUnique: boolean;
  choice: AxisChoice;
  start: number | null;
  settings: ChartSettings;
}

function MetricChart({ group, all, isNameUnique, choice, start, settings }: ChartProps): JSX.Element {
  const lines = useMemo(
    () =>
      group.series.map(
        (one, slot): ChartLine => ({
          key: seriesKey(one),
          label: seriesLabel(one, group),
          slot,
          points: one.points,
          dashed: one.phase === "validation",
          light: one.progress,
        }),
      ),
    [group],
  );
  const hidden = useMemo(
    () => new Set(group.series.filter((one) => isOffAtFirst(one, all)).map(seriesKey)),
    [group, all],
  );
  const axis = chartAxis(group.axis, choice, start);
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
    />
  );
}

const seriesKey = (one: CurveSeries): string => [one.phase, one.name, one.axis, one.progress].join("/");
