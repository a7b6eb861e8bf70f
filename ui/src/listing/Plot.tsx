/** uPlot in the page: made anew when its options change, fed when only the data do, as wide as there is room. */

import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";

import { ink } from "./core";

/** An axis in the theme's colours, asked for at each drawing. */
export function axis(more: uPlot.Axis = {}): uPlot.Axis {
  const line = { stroke: () => ink("line"), width: 1 };
  return { stroke: () => ink("text"), grid: line, ticks: line, ...more };
}

interface Props {
  /** Without a size; keep its identity while nothing in it changes. */
  options: Omit<uPlot.Options, "width" | "height">;
  data: uPlot.AlignedData;
  height: number;
  /** What a screen reader says of it. */
  label: string;
  plot?: { current: uPlot | null };
}

export function Plot({ options, data, height, label, plot }: Props): JSX.Element {
  const place = useRef<HTMLDivElement>(null);
  const made = useRef<uPlot | null>(null);
  const fed = useRef<uPlot.AlignedData>(data);
  useEffect(() => {
    const box = place.current;
    if (box === null) return;
    const drawn = new uPlot({ ...options, width: Math.max(box.clientWidth, 200), height }, data, box);
    made.current = drawn;
    fed.current = data;
    if (plot) plot.current = drawn;
    const room = new ResizeObserver(() => drawn.setSize({ width: Math.max(box.clientWidth, 200), height }));
    room.observe(box);
    const recolour = (): void => drawn.redraw(false);
    window.addEventListener("dlaas-theme", recolour);
    return () => {
      window.removeEventListener("dlaas-theme", recolour);
      room.disconnect();
      drawn.destroy();
      made.current = null;
      if (plot) plot.current = null;
    };
  }, [options, height]);
  useEffect(() => {
    if (fed.current !== data) made.current?.setData(data);
    fed.current = data;
  }, [data]);
  return <div ref={place} class="listing-plot" role="img" aria-label={label} />;
}
