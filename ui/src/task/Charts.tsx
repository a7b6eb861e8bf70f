/** A training's curves: a chart for each metric, training drawn through and validation dashed. */

import type { JSX } from "preact";
import { useMemo, useRef, useState } from "preact/hooks";
import uPlot from "uplot";

import type { Series } from "../api";
import { colourOf, formatNumber } from "../listing/core";
import { drawn, type Line } from "../listing/lines";
import { axis, Plot } from "../listing/Plot";
import { type Group, groups, labelOf } from "./groups";

const HEIGHT = 220;

export function Charts({ series }: { series: readonly Series[] }): JSX.Element {
  const [smoothing, setSmoothing] = useState(0);
  const [logarithmic, setLogarithmic] = useState(false);
  const grouped = useMemo(() => groups(series), [series]);
  if (grouped.length === 0) return <p class="quiet">No metrics yet. They are read from the log and from TensorBoard's event files.</p>;
  return (
    <>
      <div class="controls">
        <label>
          Smoothing
          <input type="range" min="0" max="0.98" step="0.02" value={smoothing} onInput={(event) => setSmoothing(Number(event.currentTarget.value))} />
        </label>
        <label>
          <input type="checkbox" checked={logarithmic} onChange={(event) => setLogarithmic(event.currentTarget.checked)} />
          logarithmic
        </label>
      </div>
      <div class="charts">
        {grouped.map((group) => (
          <Chart key={group.name} group={group} smoothing={smoothing} logarithmic={logarithmic} />
        ))}
      </div>
    </>
  );
}

function Chart({ group, smoothing, logarithmic }: { group: Group; smoothing: number; logarithmic: boolean }): JSX.Element {
  const plot = useRef<uPlot | null>(null);
  const [at, setAt] = useState<number | null>(null);
  const looks = group.series.map((one) => `${one.phase}/${one.name}`).join("\n");
  const options = useMemo(() => optionsFor(group, logarithmic, setAt), [looks, logarithmic]);
  const data = useMemo((): uPlot.AlignedData => {
    const lines = group.series.map((one, slot): Line => ({ key: String(slot), label: labelOf(one, group), slot, points: one.points }));
    const { iterations, values } = drawn(lines, smoothing, logarithmic);
    return [iterations, ...values];
  }, [group, smoothing, logarithmic]);
  const index = at ?? (data[0].length - 1);
  const step = (by: number): void => {
    const next = Math.min(Math.max(index + by, 0), data[0].length - 1);
    const left = plot.current?.valToPos(data[0][next] ?? 0, "x");
    if (left !== undefined) plot.current?.setCursor({ left, top: 0 });
    setAt(next);
  };
  return (
    <figure class="chart">
      <figcaption>
        <b>{group.name}</b>
        <span class="chart-values" aria-live="off">
          {at === null ? "last" : `step ${data[0][index] ?? ""}`}:{" "}
          {group.series.map((one, slot) => (
            <span key={slot}>
              <span class={`key ${one.phase === "validation" ? "key-dashed" : ""}`} style={{ borderColor: colourOf(slot) }} />
              {labelOf(one, group)} {written(near(data[slot + 1] ?? [], index))}{"  "}
            </span>
          ))}
        </span>
      </figcaption>
      <div
        tabIndex={0}
        role="slider"
        aria-label={`${group.name}: values along the curve; arrow keys move`}
        aria-valuemin={0}
        aria-valuemax={Math.max(data[0].length - 1, 0)}
        aria-valuenow={Math.max(index, 0)}
        aria-valuetext={`step ${data[0][index] ?? ""}: ${group.series.map((one, slot) => `${labelOf(one, group)} ${written(near(data[slot + 1] ?? [], index))}`).join(", ")}`}
        onKeyDown={(event) => {
          const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: -50, PageDown: 50, Home: -Infinity, End: Infinity }[event.key];
          if (by === undefined) return;
          event.preventDefault();
          step(by);
        }}
        onBlur={() => setAt(null)}
      >
        <Plot options={options} data={data} height={HEIGHT} label={`${group.name} over iterations`} plot={plot} />
      </div>
    </figure>
  );
}

/** The value at *index*, or the last one before: series need not share their steps. */
function near(values: ArrayLike<number | null | undefined>, index: number): number | null {
  for (let at = index; at >= 0; at -= 1) {
    const value = values[at];
    if (typeof value === "number") return value;
  }
  return null;
}

const written = (value: number | null): string => (value === null ? "–" : formatNumber(value));

function optionsFor(group: Group, logarithmic: boolean, point: (index: number | null) => void): Omit<uPlot.Options, "width" | "height"> {
  return {
    legend: { show: false },
    cursor: { drag: { x: true, y: false } },
    scales: { x: { time: false }, y: { distr: logarithmic ? 3 : 1 } },
    axes: [axis(), axis({ size: 72, values: (_, values) => values.map((value: number | null) => (value === null ? "" : formatNumber(value))) })],
    series: [
      {},
      ...group.series.map((one, slot) => ({
        label: labelOf(one, group),
        stroke: colourOf(slot),
        width: 1.5,
        spanGaps: true,
        points: { show: one.points.length < 3 },
        ...(one.phase === "validation" ? { dash: [6, 4] } : {}),
      })),
    ],
    hooks: { setCursor: [(chart) => point(chart.cursor.idx ?? null)] },
  };
}
