/** A chart with the curves of several trainings. */

import type { JSX } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import uPlot from "uplot";

import { formatNumber } from "../shared/format";
import { buildChartData, type CurveLine } from "../shared/chartData";
import { ChartControls, useChartSettings } from "../shared/ChartControls";
import { axis, Plot } from "../shared/Plot";
import { curveStyle } from "./ColourSwatch";

interface Props {
  metric: string;
  lines: readonly CurveLine[];
  /** The key of the curve that is emphasized. */
  highlighted: string | null;
}

const HEIGHT = 340;

export function OverlayChart({ metric, lines, highlighted }: Props): JSX.Element {
  const [settings, setSettings] = useChartSettings();
  const { smoothing, logarithmic } = settings;
  const plot = useRef<uPlot | null>(null);
  const appearance = lines.map((line) => `${line.slot} ${line.label}`).join("\n");
  const options = useMemo(() => chartOptions(lines, logarithmic), [appearance, logarithmic]);
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
        label={`${metric} over iterations, ${lines.length} curves; the list below has their last values`}
        plot={plot}
      />
    </>
  );
}

/** On a logarithmic axis uPlot passes null for labels that it leaves out. */
const formatTick = (value: number | null): string => (value === null ? "" : formatNumber(value));

function chartOptions(lines: readonly CurveLine[], logarithmic: boolean): Omit<uPlot.Options, "width" | "height"> {
  return {
    legend: { show: false },
    focus: { alpha: 0.25 },
    cursor: { focus: { prox: 24 } },
    scales: { x: { time: false }, y: { distr: logarithmic ? 3 : 1 } },
    axes: [axis(), axis({ size: 64, values: (_, values) => values.map(formatTick) })],
    series: [
      {},
      ...lines.map((line) => ({
        label: line.label,
        ...curveStyle(line.slot),
        spanGaps: true,
      })),
    ],
  };
}
