/** Curves of several trainings on one axis, with smoothing and a logarithmic scale. */

import type { JSX } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import uPlot from "uplot";

import { formatNumber } from "./core";
import { drawn, type Line } from "./lines";
import { axis, Plot } from "./Plot";
import { pen } from "./Swatch";

interface Props {
  metric: string;
  lines: readonly Line[];
  /** The key of the curve that stands out. */
  pointed: string | null;
}

const HEIGHT = 340;

export function OverlayChart({ metric, lines, pointed }: Props): JSX.Element {
  const [smoothing, setSmoothing] = useState(0);
  const [logarithmic, setLogarithmic] = useState(false);
  const plot = useRef<uPlot | null>(null);
  const looks = lines.map((line) => `${line.slot} ${line.label}`).join("\n");
  const options = useMemo(() => optionsFor(lines, logarithmic), [looks, logarithmic]);
  const data = useMemo((): uPlot.AlignedData => {
    const { iterations, values } = drawn(lines, smoothing, logarithmic);
    return [iterations, ...values];
  }, [lines, smoothing, logarithmic]);
  const index = lines.findIndex((line) => line.key === pointed);
  useEffect(() => plot.current?.setSeries(index < 0 ? null : index + 1, { focus: true }), [index, options]);
  return (
    <>
      <div class="listing-controls">
        <label>
          Smoothing{" "}
          <input
            type="range"
            min="0"
            max="0.98"
            step="0.02"
            value={smoothing}
            onInput={(event) => setSmoothing(Number(event.currentTarget.value))}
          />
        </label>
        <label>
          <input
            type="checkbox"
            checked={logarithmic}
            onChange={(event) => setLogarithmic(event.currentTarget.checked)}
          />{" "}
          logarithmic
        </label>
      </div>
      <Plot
        options={options}
        data={data}
        height={HEIGHT}
        label={`${metric} over iterations, ${lines.length} curves; their last values stand in the list below`}
        plot={plot}
      />
    </>
  );
}

/** On a logarithmic axis uPlot leaves out some labels: they are null. */
const written = (value: number | null): string => (value === null ? "" : formatNumber(value));

function optionsFor(lines: readonly Line[], logarithmic: boolean): Omit<uPlot.Options, "width" | "height"> {
  return {
    legend: { show: false },
    focus: { alpha: 0.25 },
    cursor: { focus: { prox: 24 } },
    scales: { x: { time: false }, y: { distr: logarithmic ? 3 : 1 } },
    axes: [axis(), axis({ size: 64, values: (_, values) => values.map(written) })],
    series: [
      {},
      ...lines.map((line) => ({
        label: line.label,
        ...pen(line.slot),
        spanGaps: true,
      })),
    ],
  };
}
