/** A training's curves: a chart for each metric, with solid lines for training and dashed lines for validation. */

import type { JSX } from "preact";
import { useMemo, useRef, useState } from "preact/hooks";
import uPlot from "uplot";

import type { CurveSeries } from "../api/types";
import { curveColour } from "../shared/colours";
import { formatNumber } from "../shared/format";
import { ChartControls, type ChartSettings, useChartSettings } from "../shared/ChartControls";
import { buildChartData, type CurveLine } from "../shared/chartData";
import { axis, Plot } from "../shared/Plot";
import { type MetricGroup, groupByMetric, seriesLabel } from "./metricGroups";

const HEIGHT = 220;

/** How many points a key moves the cursor. */
const KEY_STEPS: Record<string, number> = {
  ArrowLeft: -1,
  ArrowRight: 1,
  PageUp: -50,
  PageDown: 50,
  Home: -Infinity,
  End: Infinity,
};

export function MetricCharts({ series }: { series: readonly CurveSeries[] }): JSX.Element {
  const [settings, setSettings] = useChartSettings();
  const groups = useMemo(() => groupByMetric(series), [series]);
  if (groups.length === 0)
    return <p class="quiet">No metrics yet. They are read from the log and from TensorBoard's event files.</p>;
  return (
    <>
      <ChartControls settings={settings} onChange={setSettings} />
      <div class="charts">
        {groups.map((group) => (
          <MetricChart key={group.name} group={group} settings={settings} />
        ))}
      </div>
    </>
  );
}

function MetricChart({ group, settings }: { group: MetricGroup; settings: ChartSettings }): JSX.Element {
  const { smoothing, logarithmic } = settings;
  const plot = useRef<uPlot | null>(null);
  const [hovered, setHovered] = useState<number | null>(null);
  const appearance = group.series.map((one) => `${one.phase}/${one.name}`).join("\n");
  const options = useMemo(() => chartOptions(group, logarithmic, setHovered), [appearance, logarithmic]);
  const data = useMemo((): uPlot.AlignedData => {
    const lines = group.series.map((one, slot): CurveLine => ({
      key: String(slot),
      label: seriesLabel(one, group),
      slot,
      points: one.points,
    }));
    const { iterations, values } = buildChartData(lines, smoothing, logarithmic);
    return [iterations, ...values];
  }, [group, smoothing, logarithmic]);
  const index = hovered ?? data[0].length - 1;
  const values = group.series.map(
    (one, slot) => `${seriesLabel(one, group)} ${formatValue(valueAtOrBefore(data[slot + 1] ?? [], index))}`,
  );
  const moveBy = (by: number): void => {
    const next = Math.min(Math.max(index + by, 0), data[0].length - 1);
    const left = plot.current?.valToPos(data[0][next] ?? 0, "x");
    if (left !== undefined) plot.current?.setCursor({ left, top: 0 });
    setHovered(next);
  };
  return (
    <figure class="chart">
      <figcaption>
        <b>{group.name}</b>
        <span class="chart-values" aria-live="off">
          {hovered === null ? "last" : `step ${data[0][index] ?? ""}`}:{" "}
          {group.series.map((one, slot) => (
            <span key={slot}>
              <span
                class={`key ${one.phase === "validation" ? "key-dashed" : ""}`}
                style={{ borderColor: curveColour(slot) }}
              />
              {values[slot]}
              {"  "}
            </span>
          ))}
        </span>
      </figcaption>
      <div
        tabIndex={0}
        role="slider"
        aria-label={`${group.name}: values along the curve; arrow keys move the cursor`}
        aria-valuemin={0}
        aria-valuemax={Math.max(data[0].length - 1, 0)}
        aria-valuenow={Math.max(index, 0)}
        aria-valuetext={`step ${data[0][index] ?? ""}: ${values.join(", ")}`}
        onKeyDown={(event) => {
          const by = KEY_STEPS[event.key];
          if (by === undefined) return;
          event.preventDefault();
          moveBy(by);
        }}
        onBlur={() => setHovered(null)}
      >
        <Plot options={options} data={data} height={HEIGHT} label={`${group.name} over iterations`} plot={plot} />
      </div>
    </figure>
  );
}

/** The value at *index*, or the last one before it: series may have different steps. */
function valueAtOrBefore(values: ArrayLike<number | null | undefined>, index: number): number | null {
  for (let at = index; at >= 0; at -= 1) {
    const value = values[at];
    if (typeof value === "number") return value;
  }
  return null;
}

const formatValue = (value: number | null): string => (value === null ? "–" : formatNumber(value));

function chartOptions(
  group: MetricGroup,
  logarithmic: boolean,
  onHover: (index: number | null) => void,
): Omit<uPlot.Options, "width" | "height"> {
  return {
    legend: { show: false },
    cursor: { drag: { x: true, y: false } },
    scales: { x: { time: false }, y: { distr: logarithmic ? 3 : 1 } },
    axes: [
      axis(),
      axis({
        size: 72,
        values: (_, values) => values.map((value: number | null) => (value === null ? "" : formatNumber(value))),
      }),
    ],
    series: [
      {},
      ...group.series.map((one, slot) => ({
        label: seriesLabel(one, group),
        stroke: curveColour(slot),
        width: 1.5,
        spanGaps: true,
        points: { show: one.points.length < 3 },
        ...(one.phase === "validation" ? { dash: [6, 4] } : {}),
      })),
    ],
    hooks: { setCursor: [(chart) => onHover(chart.cursor.idx ?? null)] },
  };
}
