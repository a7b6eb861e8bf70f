/** Draws vertical lines with labels in a chart. */

import type uPlot from "uplot";

import { themeColour } from "../shared/colours";
import type { ChartMark } from "./attemptMarks";

/** CSS pixels. */
const FONT_SIZE = 11;
const GAP = 4;

/** Draw *marks*, in ascending order, as far as they are in the visible part; a label without room is left out. */
export function drawMarks(chart: uPlot, marks: readonly ChartMark[]): void {
  const { ctx, bbox, scales } = chart;
  const { min, max } = scales["x"] ?? {};
  if (min == null || max == null) return;
  const pixels = devicePixelRatio;
  const right = bbox.left + bbox.width;
  let free = bbox.left; // where the last label ends
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = themeColour("text");
  ctx.lineWidth = pixels;
  ctx.setLineDash([3 * pixels, 3 * pixels]);
  ctx.font = `${FONT_SIZE * pixels}px system-ui, sans-serif`;
  ctx.textBaseline = "top";
  ctx.textAlign = "left";
  for (const { position, label } of marks) {
    if (position < min || position > max) continue;
    const x = Math.round(chart.valToPos(position, "x", true)) + 0.5;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    const width = ctx.measureText(label).width + GAP * pixels;
    const begin = x + width > right ? x - width : x + GAP * pixels;
    if (begin < free) continue;
    ctx.fillText(label, begin, bbox.top + 2 * pixels);
    free = begin + width;
  }
  ctx.restore();
}
