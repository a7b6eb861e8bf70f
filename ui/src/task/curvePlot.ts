/** The options of a chart with curves. */

import uPlot from "uplot";

import { curveColour, themeColour } from "../shared/colours";
import type { CurveLine } from "../shared/chartData";
import { formatClock } from "../shared/format";
import { axis } from "../shared/Plot";
import type { ChartMark } from "./attemptMarks";
import { axisTitle, type ChartAxis } from "./chartAxis";
import { drawMarks } from "./drawMarks";

export interface ChartLine extends CurveLine {
  dashed?: boolean;
  /** Less prominent than the others. */
  light?: boolean;
  /** Of an earlier training: grey. */
  earlier?: boolean;
}

export interface PlotAppearance {
  lines: readonly ChartLine[];
  /** The keys of the lines that are not drawn. */
  hidden: ReadonlySet<string>;
  axis: ChartAxis;
  logarithmic: boolean;
  /** The title of the value axis. */
  valueTitle: string;
  formatValue: (value: number) => string;
  /** The lowest and the highest value that the axis has at least; without them it fits the values. */
  range?: readonly [number, number];
  /** The distances that the labels of the value axis may have. */
  steps?: number[];
  /** The vertical lines of the current data. */
  marks?: () => readonly ChartMark[];
}

type PlotOptions = Omit<uPlot.Options, "width" | "height">;

const TITLE_FONT = "12px system-ui, sans-serif";

/** Seconds between the labels of a time axis. */
const CLOCK_STEPS = [
  0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800,
  345_600, 864_000,
];

export function curvePlotOptions(appearance: PlotAppearance, onHover: (index: number | null) => void): PlotOptions {
  const { range, marks } = appearance;
  return {
    legend: { show: false },
    cursor: { drag: { x: true, y: false } },
    scales: {
      x: { time: false },
      y: {
        distr: appearance.logarithmic ? 3 : 1,
        ...(range && { range: (_: uPlot, low: number, high: number) => extendRange(range, low, high) }),
      },
    },
    axes: [positionAxis(appearance.axis), valueAxis(appearance)],
    series: [
      {},
      ...appearance.lines.map((line) => ({
        label: line.label,
        show: !appearance.hidden.has(line.key),
        stroke: line.earlier ? () => themeColour("text") : curveColour(line.slot),
        alpha: line.light ? 0.45 : line.earlier ? 0.7 : 1,
        width: line.light ? 1 : 1.5,
        points: { show: false, filter: (chart: uPlot, at: number) => isolatedPoints(chart.data[at] ?? []) },
        ...(line.dashed ? { dash: [6, 4] } : {}),
      })),
    ],
    hooks: {
      setCursor: [(chart) => onHover(chart.cursor.idx ?? null)],
      ...(marks && { draw: [(chart: uPlot) => drawMarks(chart, marks())] }),
    },
  };
}

/** *range*, and 5 % beyond *high* where that is outside of it. A chart without values passes null. */
function extendRange([bottom, top]: readonly [number, number], low: number | null, high: number | null): [number, number] {
  return [Math.min(bottom, low ?? bottom), high === null || high <= top ? top : high * 1.05];
}

/** The indices of values without a line to another value, which would not be visible; null where there are none. */
export function isolatedPoints(values: ArrayLike<number | null | undefined>): number[] | null {
  const found: number[] = [];
  let last: number | null = null; // the index of a value that has no neighbour so far
  let hasLine = false; // whether the value before has a line to this one
  for (let at = 0; at < values.length; at += 1) {
    const value = values[at];
    if (value === undefined) continue;
    if (value === null) {
      if (last !== null) found.push(last);
      [last, hasLine] = [null, false];
    } else [last, hasLine] = [hasLine ? null : last === null ? at : null, hasLine || last !== null];
  }
  if (last !== null) found.push(last);
  return found.length > 0 ? found : null;
}

const title = (label: string): uPlot.Axis => ({ label, labelSize: 18, labelGap: 0, labelFont: TITLE_FONT });

function positionAxis(kind: ChartAxis): uPlot.Axis {
  const clock = { incrs: CLOCK_STEPS, space: 70, values: (_: uPlot, ticks: number[]) => ticks.map(formatClock) };
  return axis({ size: 32, ...title(axisTitle(kind)), ...(kind === "elapsed" ? clock : {}) });
}

function valueAxis({ valueTitle, formatValue, steps }: PlotAppearance): uPlot.Axis {
  return axis({
    size: 68,
    ...title(valueTitle),
    ...(steps && { incrs: steps }),
    // On a logarithmic axis uPlot passes null for labels that it leaves out.
    values: (_, ticks) => ticks.map((value: number | null) => (value === null ? "" : formatValue(value))),
  });
}
