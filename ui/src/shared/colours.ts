/** Colours of charts. */

/** Colours of curves. Each has a contrast of at least 3:1 to the panels of both themes, which a test calculates. */
export const CURVE_COLOURS = ["#4a72d8", "#c2700a", "#dc4a40", "#2f8f46", "#1f8a86", "#9a63e0", "#d0508f", "#a06f50"];

export const curveColour = (slot: number): string => CURVE_COLOURS[slot % CURVE_COLOURS.length] ?? "#888";

/** A colour of the current theme, for canvases, which CSS does not reach. */
export function themeColour(name: "text" | "line"): string {
  const property = name === "text" ? "--muted" : "--border";
  return getComputedStyle(document.documentElement).getPropertyValue(property).trim() || "#888";
}
