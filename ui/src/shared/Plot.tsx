/** A uPlot chart as wide as its parent: created anew when its options change, updated when only the data change. */

import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";

import { themeColour } from "./colours";

/** An axis in the theme's colours, which are read at each drawing. */
export function axis(more: uPlot.Axis = {}): uPlot.Axis {
  const line = { stroke: () => themeColour("line"), width: 1 };
  return { stroke: () => themeColour("text"), grid: line, ticks: line, ...more };
}

/** Pixels. */
const MIN_WIDTH = 200;

interface Props {
  /** Without a size. Pass the same object while nothing in it changes. */
  options: Omit<uPlot.Options, "width" | "height">;
  data: uPlot.AlignedData;
  height: number;
  /** The description for screen readers. */
  label: string;
  /** Receives the uPlot object. */
  plot?: { current: uPlot | null };
}

export function Plot({ options, data, height, label, plot }: Props): JSX.Element {
  const container = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);
  const drawnData = useRef<uPlot.AlignedData>(data);
  useEffect(() => {
    const box = container.current;
    if (box === null) return;
    const size = (): { width: number; height: number } => ({ width: Math.max(box.clientWidth, MIN_WIDTH), height });
    const created = new uPlot({ ...options, ...size() }, data, box);
    chart.current = created;
    drawnData.current = data;
    if (plot) plot.current = created;
    const resizes = new ResizeObserver(() => created.setSize(size()));
    resizes.observe(box);
    const recolour = (): void => created.redraw(false);
    window.addEventListener("dlaas-theme", recolour);
    return () => {
      window.removeEventListener("dlaas-theme", recolour);
      resizes.disconnect();
      created.destroy();
      chart.current = null;
      if (plot) plot.current = null;
    };
  }, [options, height]);
  useEffect(() => {
    if (drawnData.current !== data) chart.current?.setData(data);
    drawnData.current = data;
  }, [data]);
  return <div ref={container} class="listing-plot" role="img" aria-label={label} />;
}
