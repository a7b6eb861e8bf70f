/** A chart of a metric's final values over runs; a click or Enter on a point opens the task. */

import type { JSX } from "preact";
import { useMemo, useRef, useState } from "preact/hooks";
import uPlot from "uplot";

import { formatNumber } from "../shared/format";
import { type ChartGrid, buildChartGrid, pointAt, type GridPosition, nextPosition } from "./chartGrid";
import { timeRange, valueRange } from "./axisRanges";
import { formatTicks } from "./timeTicks";
import { type HistoryLine, historyLineLabel } from "./metricHistory";
import { airflowRoot, taskUrl } from "../shared/links";
import { openAirflowPage } from "../shared/airflowNavigation";
import { runLabel } from "./trainingFields";
import { curveColour } from "../shared/colours";
import { axis, Plot } from "../shared/Plot";
import { curveStyle } from "./ColourSwatch";

interface Props {
  metric: string;
  lines: readonly HistoryLine[];
}

const HEIGHT = 320;

/** Pixels for the title of an axis. */
const LABEL_SIZE = 22;

export function HistoryChart({ metric, lines }: Props): JSX.Element {
  const [position, setPosition] = useState<GridPosition | null>(null);
  const plot = useRef<uPlot | null>(null);
  const grid = useMemo(() => buildChartGrid(lines), [lines]);
  const options = useMemo(() => chartOptions(metric, lines, grid, setPosition), [metric, lines, grid]);
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
      plot.current.setCursor({ left: plot.current.valToPos(time, "x"), top: heightOf(plot.current, value) }, false);
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

const valueOf = (point: { value: number } | null): number | null =>
  point !== null && Number.isFinite(point.value) ? point.value : null;

/** Pixels from the top of the plot to *value*; one that is not finite has its mark at the bottom. */
const heightOf = (plot: uPlot, value: number): number =>
  Number.isFinite(value) ? plot.valToPos(value, "y") : plot.bbox.height / devicePixelRatio - MARK_SIZE;

/** Pixels. */
const MARK_SIZE = 8;

function describePoint(point: NonNullable<ReturnType<typeof pointAt>>, line: HistoryLine | undefined): string {
  const label = line ? historyLineLabel(line) : "";
  const mapped = line?.map_index === "best" ? `, by [${point.training.ref.map_index}]` : "";
  const diverged = Number.isFinite(point.value) ? "" : " (diverged)";
  return `${runLabel(point.training.ref.run_id)}: ${label} ${formatNumber(point.value)}${mapped}${diverged}`;
}

function chartOptions(
  metric: string,
  lines: readonly HistoryLine[],
  grid: ChartGrid,
  onPosition: (position: GridPosition | null) => void,
): Omit<uPlot.Options, "width" | "height"> {
  return {
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 9 } },
    scales: { x: { range: () => timeRange(grid.times) }, y: { range: (_, low, high) => valueRange(low, high) } },
    axes: [
      axis({
        label: "time of the run",
        labelSize: LABEL_SIZE,
        values: (_plot, times, _axis, _space, step) => formatTicks(times, step),
      }),
      axis({ label: metric, labelSize: LABEL_SIZE, size: 60, values: (_, values) => values.map(formatNumber) }),
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
    hooks: {
      setCursor: [(plot) => onPosition(nearestPosition(plot, grid))],
      draw: [(plot) => drawDiverged(plot, grid)],
    },
  };
}

/** A cross at the bottom of the plot for each point whose value is NaN or an infinity, in the colour of its line. */
function drawDiverged(plot: uPlot, grid: ChartGrid): void {
  const { ctx, bbox } = plot;
  const half = (MARK_SIZE / 2) * devicePixelRatio;
  ctx.save();
  ctx.lineWidth = 2 * devicePixelRatio;
  grid.rows.forEach((row, line) => {
    ctx.strokeStyle = curveColour(line);
    row.forEach((point, index) => {
      if (point === null || Number.isFinite(point.value)) return;
      const [x, y] = [plot.valToPos(grid.times[index] ?? 0, "x", true), bbox.top + bbox.height - 2 * half];
      ctx.beginPath();
      ctx.moveTo(x - half, y - half);
      ctx.lineTo(x + half, y + half);
      ctx.moveTo(x - half, y + half);
      ctx.lineTo(x + half, y - half);
      ctx.stroke();
    });
  });
  ctx.restore();
}

/** The point nearest to the cursor among those at the cursor's time. */
function nearestPosition(plot: uPlot, grid: ChartGrid): GridPosition | null {
  const { idx, top } = plot.cursor;
  if (typeof idx !== "number" || top === undefined || top < 0) return null;
  let found: GridPosition | null = null;
  let leastDistance = Infinity;
  grid.rows.forEach((row, line) => {
    const value = row[idx]?.value;
    const distance = value === undefined ? Infinity : Math.abs(heightOf(plot, value) - top);
    if (distance < leastDistance) [found, leastDistance] = [{ line, time: idx }, distance];
  });
  return found;
}
