/** A chart of a metric's final values over runs; a click or Enter on a point opens the task. */

import type { JSX } from "preact";
import { useMemo, useRef, useState } from "preact/hooks";
import uPlot from "uplot";

import { airflowTimeZone } from "../shared/theme";
import { formatNumber } from "../shared/format";
import { type ChartGrid, buildChartGrid, pointAt, type GridPosition, nextPosition } from "./chartGrid";
import { type HistoryLine, historyLineLabel } from "./metricHistory";
import { airflowRoot, taskUrl } from "../shared/links";
import { openAirflowPage } from "../shared/airflowNavigation";
import { runLabel } from "./trainingFields";
import { axis, Plot } from "../shared/Plot";
import { curveStyle } from "./ColourSwatch";

interface Props {
  metric: string;
  lines: readonly HistoryLine[];
}

const HEIGHT = 300;

export function HistoryChart({ metric, lines }: Props): JSX.Element {
  const [position, setPosition] = useState<GridPosition | null>(null);
  const plot = useRef<uPlot | null>(null);
  const grid = useMemo(() => buildChartGrid(lines), [lines]);
  const options = useMemo(() => chartOptions(lines, grid, setPosition), [lines, grid]);
  const data = useMemo((): uPlot.AlignedData => [grid.times, ...grid.rows.map((row) => row.map(valueOf))], [grid]);
  const point = pointAt(grid, position);
  const open = (): void => {
    if (point) openAirflowPage(taskUrl(airflowRoot(window.location.pathname), point.training.ref));
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === "Enter") return open();
    if (!event.key.startsWith("Arrow")) return;
    event.preventDefault();
    const next = nextPosition(grid, position, event.key);
    setPosition(next);
    const time = next === null ? undefined : grid.times[next.time];
    const value = pointAt(grid, next)?.value;
    if (plot.current && time !== undefined && value !== undefined)
      plot.current.setCursor({ left: plot.current.valToPos(time, "x"), top: plot.current.valToPos(value, "y") }, false);
  };
  return (
    <figure class="listing-history">
      <div
        class="listing-points"
        tabIndex={0}
        role="group"
        aria-label={`${metric} over runs. Arrow keys move from run to run, Enter opens the task.`}
        onKeyDown={onKeyDown}
        onClick={open}
      >
        <Plot options={options} data={data} height={HEIGHT} label={`${metric} over runs`} plot={plot} />
      </div>
      <figcaption aria-live="polite">{point ? describePoint(point, lines[position?.line ?? 0]) : HINT}</figcaption>
    </figure>
  );
}

const HINT = "Select a run with the pointer or the arrow keys; a click or Enter opens its task.";

const valueOf = (point: { value: number } | null): number | null => point?.value ?? null;

function describePoint(point: NonNullable<ReturnType<typeof pointAt>>, line: HistoryLine | undefined): string {
  const label = line ? historyLineLabel(line) : "";
  const mapped = line?.map_index === "best" ? `, by [${point.training.ref.map_index}]` : "";
  return `${runLabel(point.training.ref.run_id)}: ${label} ${formatNumber(point.value)}${mapped}`;
}

function chartOptions(
  lines: readonly HistoryLine[],
  grid: ChartGrid,
  onPosition: (position: GridPosition | null) => void,
): Omit<uPlot.Options, "width" | "height"> {
  return {
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 9 } },
    axes: [
      axis({ values: (_plot, times, _axis, _space, step) => times.map((time) => formatTick(time, step)) }),
      axis({ size: 60, values: (_, values) => values.map(formatNumber) }),
    ],
    series: [
      {},
      ...lines.map((line, index) => ({
        label: historyLineLabel(line),
        ...curveStyle(index),
        spanGaps: true,
        points: { show: true, size: 6, fill: curveStyle(index).stroke },
      })),
    ],
    hooks: { setCursor: [(plot) => onPosition(nearestPosition(plot, grid))] },
  };
}

/** "25 Nov", or "02:00" where *step* is less than a day; *time* and *step* in seconds. */
function formatTick(time: number, step: number): string {
  const format: Intl.DateTimeFormatOptions =
    step < 86_400 ? { hour: "2-digit", minute: "2-digit", hourCycle: "h23" } : { day: "numeric", month: "short" };
  return new Intl.DateTimeFormat("en-GB", { ...format, timeZone: airflowTimeZone() }).format(time * 1000);
}

/** The point nearest to the cursor among those at the cursor's time. */
function nearestPosition(plot: uPlot, grid: ChartGrid): GridPosition | null {
  const { idx, top } = plot.cursor;
  if (typeof idx !== "number" || top === undefined || top < 0) return null;
  let found: GridPosition | null = null;
  let leastDistance = Infinity;
  grid.rows.forEach((row, line) => {
    const value = row[idx]?.value;
    const distance = value === undefined ? Infinity : Math.abs(plot.valToPos(value, "y") - top);
    if (distance < leastDistance) [found, leastDistance] = [{ line, time: idx }, distance];
  });
  return found;
}
