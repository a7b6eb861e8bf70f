/** The colour of a curve, and its dashes, beside its name; curves are drawn by the same two. */

import type { JSX } from "preact";

import { colourOf } from "./core";

/** Colours there are; a curve beyond them has one of them again, dashed. */
const COLOURS = 8;

/** How uPlot draws the curve in *slot*; the colour is asked for at each drawing, so that the theme may change. */
export function pen(slot: number): { stroke: () => string; width: number; dash?: number[] } {
  const drawn = { stroke: () => colourOf(slot), width: 1.5 };
  return slot < COLOURS ? drawn : { ...drawn, dash: slot < 2 * COLOURS ? [6, 4] : [2, 3] };
}

export function Swatch({ slot }: { slot: number | undefined }): JSX.Element {
  const dashed = slot !== undefined && slot >= COLOURS ? " listing-dashed" : "";
  const colour = slot === undefined ? "transparent" : colourOf(slot);
  return <span aria-hidden="true" class={`listing-swatch${dashed}`} style={{ "--curve": colour }} />;
}
