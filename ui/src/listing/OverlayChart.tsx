/** A chart with the curves of several trainings. */

import type { JSX } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import uPlot from "uplot";

import { formatClock, formatNumber } from "../shared/format";
import { buildChartData, type CurveLine } from "../shared/chartData";
import { ChartControls, useChartSettings } from "../shared/ChartControls";
import { axis as themedAxis, Plot } from "../shared/Plot";
import { axisTitle, type ChartAxis } from "../task/chartAxis";
import { curveStyle } from "./ColourSwatch";

interface Props {
  metric: string;
  /** What the first number of each point counts. */
  axis: ChartAxis;
  lines: readonly CurveLine[];
  /** The key of the curve that is emphasized. */
  highlighted: string | null;
}

const HEIGHT = 360;

/** Pixels for the title of an axis. */
const LABEL_SIZE = 22;

export function OverlayChart({ metric, axis, lines, highlighted }: Props): JSX.Element {
  const [settings, setSettings] = useChartSettings();
  const { smoothing, logarithmic } = settings;
  const plot = useRef<uPlot | null>(null);
  const appearance = lines.map((line) => `${line.slot} ${line.label}`).join("\n");
  const options = useMemo(
    () => chartOptions(metric, axis, lines, logarithmic),
    [metric, axis, appearance, logarithmic],
  );
  const data = useMemo((): uPlot.AlignedData => {
    const { iterations, values } = buildChartData(lines, smoothing, logarithmic);
    return [iterations, ...values];
  }, [lines, smoothing, logarithmic]);
  const index = lines.findIndex((line) => line.key === highlighted);
  useEffect(() => plot.current?.setSeries(index < 0 ? null : index + 1, { focus: true }), [index, options]);
  return (
    <>
      <ChartControls settings={settings} onChange={setSettings} />
      <Plot
        options={options}
        data={data}
        height={HEIGHT}
        label={`${metric} over ${axisTitle(axis)}, ${lines.length} curves; the list below has their last values`}
        plot={plot}
      />
    </>
  );
}

/** On a logarithmic axis uPlot passes null for labels that it leaves out. */
const formatTick = (value: number | null): string => (value === null ? "" : formatNumber(value));

/** Seconds between two labels of a time axis. */
const TIME_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400];

function chartOptions(
  metric: string,
  axis: ChartAxis,
  lines: readonly CurveLine[],
  logarithmic: boolean,
): Omit<uPlot.Options, "width" | "height"> {
  return {
    legend: { show: false },
    focus: { alpha: 0.25 },
    cursor: { focus: { prox: 24 } },
    scales: { x: { time: false }, y: { distr: logarithmic ? 3 : 1 } },
    axes: [
      themedAxis({
        label: axisTitle(axis),
        labelSize: LABEL_SIZE,
        ...(axis === "elapsed" && { incrs: TIME_STEPS, values: (_, seconds) => seconds.map(formatClock) }),
      }),
      themedAxis({ label: metric, labelSize: LABEL_SIZE, size: 64, values: (_, values) => values.map(formatTick) }),
    ],
    series: [
      {},
      ...lines.map((line) => ({
        label: line.label,
        ...curveStyle(line.slot),
        points: { fill: curveStyle(line.slot).stroke },
        spanGaps: false, // a gap where the training had NaN; iterations of other curves are no gaps
      })),
    ],
  };
}
