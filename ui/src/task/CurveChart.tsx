/** A chart with curves, the values at the cursor, and buttons that show and hide each curve. */

import type { JSX } from "preact";
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import type uPlot from "uplot";

import type { ChartSettings } from "../shared/ChartControls";
import { buildChartData } from "../shared/chartData";
import { curveColour } from "../shared/colours";
import { toNumber } from "../shared/metricNumber";
import { Plot } from "../shared/Plot";
import { type ChartMark, describeMarks } from "./attemptMarks";
import { axisTitle, type ChartAxis, describeNonFinite, formatPosition, readingAtOrBefore } from "./chartAxis";
import { type ChartLine, curvePlotOptions } from "./curvePlot";

const HEIGHT = 230;

/** Pixels around the visible part of the page in which charts are drawn, so that scrolling finds them complete. */
const NEAR = 600;

/** How many points a key moves the cursor. */
const KEY_STEPS: Record<string, number> = {
  ArrowLeft: -1,
  ArrowRight: 1,
  PageUp: -50,
  PageDown: 50,
  Home: -Infinity,
  End: Infinity,
};

interface Props {
  title: string;
  /** The title of the value axis; the chart's title by default. */
  valueTitle?: string;
  /** Pass the same array while nothing in it changes. */
  lines: readonly ChartLine[];
  /** The keys of the lines that are hidden until the user shows them. */
  hiddenAtFirst?: ReadonlySet<string>;
  axis: ChartAxis;
  /** The training's start in seconds since the epoch; null where it is unknown. */
  start: number | null;
  settings: ChartSettings;
  formatValue: (value: number) => string;
  /** The lowest and the highest value that the axis has at least. */
  range?: readonly [number, number];
  /** The distances that the labels of the value axis may have. */
  steps?: number[];
  /** Vertical lines. */
  marks?: readonly ChartMark[];
}

const NONE: ReadonlySet<string> = new Set();

const NO_MARKS: readonly ChartMark[] = [];

export function CurveChart(props: Props): JSX.Element {
  const { title, lines, axis, start, settings, formatValue, range, steps } = props;
  const { valueTitle = title, hiddenAtFirst = NONE, marks = NO_MARKS } = props;
  const { smoothing, logarithmic } = settings;
  const plot = useRef<uPlot | null>(null);
  const drawnMarks = useRef(marks); // read at each drawing, so that a new position does not create the chart anew
  drawnMarks.current = marks;
  const currentMarks = useCallback(() => drawnMarks.current, []);
  const figure = useRef<HTMLElement>(null);
  const isNear = useIsNear(figure);
  const [hovered, setHovered] = useState<number | null>(null);
  const [switched, setSwitched] = useState<ReadonlySet<string>>(NONE);
  const hidden = new Set(lines.filter(({ key }) => hiddenAtFirst.has(key) !== switched.has(key)).map(({ key }) => key));
  const appearance = [axis, ...lines.map((one) => `${one.key} ${one.label} ${hidden.has(one.key)}`)].join("\n");
  const options = useMemo(
    () =>
      curvePlotOptions(
        { lines, hidden, axis, logarithmic, valueTitle, formatValue, range, steps, marks: currentMarks },
        setHovered,
      ),
    [appearance, logarithmic, valueTitle, formatValue, range, steps],
  );
  const { iterations, values, readings } = useMemo(
    () => buildChartData(isNear ? lines : [], smoothing, logarithmic, axis === "elapsed" ? start : null),
    [lines, smoothing, logarithmic, axis, start, isNear],
  );
  const data = useMemo((): uPlot.AlignedData => [iterations, ...values], [iterations, values]);
  const index = hovered ?? iterations.length - 1;
  const position = formatPosition(axis, iterations[index]);
  const readingOf = (line: number): string => {
    const last = lines[line]?.points.at(-1)?.[1];
    const reading = isNear ? readingAtOrBefore(readings[line] ?? [], index) : last === undefined ? null : toNumber(last);
    return reading === null ? "–" : formatValue(reading);
  };
  const warnings = lines.flatMap(({ label, key }, line) => {
    const warning = hidden.has(key) ? null : describeNonFinite(axis, iterations, readings[line] ?? []);
    return warning === null ? [] : [`${label}: ${warning}`];
  });
  const toggle = (key: string): void => {
    const next = new Set(switched);
    if (!next.delete(key)) next.add(key);
    setSwitched(next);
  };
  const moveBy = (by: number): void => {
    const next = Math.min(Math.max(index + by, 0), iterations.length - 1);
    const left = plot.current?.valToPos(iterations[next] ?? 0, "x");
    if (left !== undefined) plot.current?.setCursor({ left, top: 0 });
    setHovered(next);
  };
  return (
    <figure class="chart" ref={figure}>
      <figcaption>
        <b>{title}</b>
        <span class="chart-values" aria-live="off">
          <span class="quiet">{hovered === null ? "last" : position}:</span>
          {lines.map((line, at) => (
            <button
              key={line.key}
              type="button"
              class="legend"
              aria-pressed={!hidden.has(line.key)}
              title={hidden.has(line.key) ? "Show this curve" : "Hide this curve"}
              onClick={() => toggle(line.key)}
            >
              <span
                class={`key ${line.dashed ? "key-dashed" : ""} ${line.light ? "key-light" : ""}`}
                style={{ borderColor: line.earlier ? "var(--muted)" : curveColour(line.slot) }}
              />
              {line.label} {readingOf(at)}
            </button>
          ))}
        </span>
      </figcaption>
      {warnings.map((warning) => (
        <p key={warning} class="chart-warning">
          {warning}
        </p>
      ))}
      {hidden.size === lines.length ? (
        <p class="quiet">No curve is shown. A click on its name shows it.</p>
      ) : (
        <div
          tabIndex={0}
          role="slider"
          aria-label={`${title}: values along the curve; arrow keys move the cursor`}
          aria-valuemin={0}
          aria-valuemax={Math.max(iterations.length - 1, 0)}
          aria-valuenow={Math.max(index, 0)}
          aria-valuetext={`${position}: ${lines.map((line, at) => `${line.label} ${readingOf(at)}`).join(", ")}`}
          style={{ minHeight: `${HEIGHT}px` }}
          onKeyDown={(event) => {
            const by = KEY_STEPS[event.key];
            if (by === undefined) return;
            event.preventDefault();
            moveBy(by);
          }}
          onBlur={() => setHovered(null)}
        >
          {isNear && (
            <Plot
              options={options}
              data={data}
              height={HEIGHT}
              label={`${title} over ${axis === "elapsed" ? "the time" : `${axisTitle(axis)}s`}${describeMarks(marks, axis)}`}
              plot={plot}
            />
          )}
        </div>
      )}
    </figure>
  );
}

/** Whether *element* is, or was once, in the visible part of the page or near it. */
function useIsNear(element: { current: HTMLElement | null }): boolean {
  const [isNear, setIsNear] = useState(false);
  useEffect(() => {
    if (isNear || element.current === null) return;
    const observer = new IntersectionObserver((entries) => setIsNear(entries.some((one) => one.isIntersecting)), {
      rootMargin: `${NEAR}px`,
    });
    observer.observe(element.current);
    return () => observer.disconnect();
  }, [isNear]);
  return isNear;
}
