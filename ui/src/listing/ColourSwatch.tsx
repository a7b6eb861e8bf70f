/** The colour and the dashes of a curve, in charts and beside its name. */

import type { JSX } from "preact";

import { CURVE_COLOURS, curveColour } from "../shared/colours";

/** Further curves have the same colours again, dashed. */
const COLOUR_COUNT = CURVE_COLOURS.length;

/** The style in which uPlot draws the curve in *slot*. */
export function curveStyle(slot: number): { stroke: () => string; width: number; dash?: number[] } {
  const style = { stroke: () => curveColour(slot), width: 1.5 };
  return slot < COLOUR_COUNT ? style : { ...style, dash: slot < 2 * COLOUR_COUNT ? [6, 4] : [2, 3] };
}

export function ColourSwatch({ slot }: { slot: number | undefined }): JSX.Element {
  const dashed = slot !== undefined && slot >= COLOUR_COUNT ? " listing-dashed" : "";
  const colour = slot === undefined ? "transparent" : curveColour(slot);
  return <span aria-hidden="true" class={`listing-swatch${dashed}`} style={{ "--curve": colour }} />;
}
