/** A metric's final values over runs; each point leads to its task's page, by mouse and by keys. */

import type { JSX } from "preact";
import { useMemo, useRef, useState } from "preact/hooks";
import uPlot from "uplot";

import { zone } from "../core/theme";
import { formatNumber } from "./core";
import { type Grid, grid, pointAt, type Spot, stepped } from "./cursor";
import { type HistoryLine, lineLabel } from "./history";
import { airflowRoot, taskPage } from "./links";
import { go } from "./navigate";
import { runLabel } from "./outline";
import { axis, Plot } from "./Plot";
import { pen } from "./Swatch";

interface Props {
  metric: string;
  lines: readonly HistoryLine[];
}

const HEIGHT = 300;

export function HistoryChart({ metric, lines }: Props): JSX.Element {
  const [spot, setSpot] = useState<Spot | null>(null);
  const plot = useRef<uPlot | null>(null);
  const drawn = useMemo(() => grid(lines), [lines]);
  const options = useMemo(() => optionsFor(lines, drawn, setSpot), [lines, drawn]);
  const data = useMemo((): uPlot.AlignedData => [drawn.times, ...drawn.rows.map((row) => row.map(valueOf))], [drawn]);
  const point = pointAt(drawn, spot);
  const open = (): void => {
    if (point) go(taskPage(airflowRoot(window.location.pathname), point.training.ref));
  };
  const press = (event: KeyboardEvent): void => {
    if (event.key === "Enter") return open();
    if (!event.key.startsWith("Arrow")) return;
    event.preventDefault();
    const next = stepped(drawn, spot, event.key);
    setSpot(next);
    const at = next === null ? undefined : drawn.times[next.time];
    const value = pointAt(drawn, next)?.value;
    if (plot.current && at !== undefined && value !== undefined)
      plot.current.setCursor({ left: plot.current.valToPos(at, "x"), top: plot.current.valToPos(value, "y") }, false);
  };
  return (
    <figure class="listing-history">
      <div
        class="listing-points"
        tabIndex={0}
        role="group"
        aria-label={`${metric} over runs. Arrow keys go from run to run, Enter opens the run's task.`}
        onKeyDown={press}
        onClick={open}
      >
        <Plot options={options} data={data} height={HEIGHT} label={`${metric} over runs`} plot={plot} />
      </div>
      <figcaption aria-live="polite">{point ? said(point, lines[spot?.line ?? 0]) : HINT}</figcaption>
    </figure>
  );
}

const HINT = "Point at a run, or go to it by the arrow keys; a click or Enter opens its task.";

const valueOf = (point: { value: number } | null): number | null => point?.value ?? null;

function said(point: NonNullable<ReturnType<typeof pointAt>>, line: HistoryLine | undefined): string {
  const label = line ? lineLabel(line) : "";
  const mapped = line?.map_index === "best" ? `, by [${point.training.ref.map_index}]` : "";
  return `${runLabel(point.training.ref.run_id)}: ${label} ${formatNumber(point.value)}${mapped}`;
}

function optionsFor(
  lines: readonly HistoryLine[],
  drawn: Grid,
  onSpot: (spot: Spot | null) => void,
): Omit<uPlot.Options, "width" | "height"> {
  return {
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 9 } },
    axes: [
      axis({ values: (_plot, times, _axis, _space, step) => times.map((time) => dayOrHour(time, step)) }),
      axis({ size: 60, values: (_, values) => values.map(formatNumber) }),
    ],
    series: [
      {},
      ...lines.map((line, index) => ({
        label: lineLabel(line),
        ...pen(index),
        spanGaps: true,
        points: { show: true, size: 6, fill: pen(index).stroke },
      })),
    ],
    hooks: { setCursor: [(plot) => onSpot(nearest(plot, drawn))] },
  };
}

/** "25 Nov", or "02:00" where the axis goes by less than days; *time* and *step* in seconds. */
function dayOrHour(time: number, step: number): string {
  const looks: Intl.DateTimeFormatOptions =
    step < 86_400 ? { hour: "2-digit", minute: "2-digit", hourCycle: "h23" } : { day: "numeric", month: "short" };
  return new Intl.DateTimeFormat("en-GB", { ...looks, timeZone: zone() }).format(time * 1000);
}

/** The point nearest to the cursor, of those at its time. */
function nearest(plot: uPlot, drawn: Grid): Spot | null {
  const { idx, top } = plot.cursor;
  if (typeof idx !== "number" || top === undefined || top < 0) return null;
  let found: Spot | null = null;
  let least = Infinity;
  drawn.rows.forEach((row, line) => {
    const value = row[idx]?.value;
    const away = value === undefined ? Infinity : Math.abs(plot.valToPos(value, "y") - top);
    if (away < least) [found, least] = [{ line, time: idx }, away];
  });
  return found;
}
