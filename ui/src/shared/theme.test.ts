import { expect, test } from "vitest";

import { isTransparent, parseTheme, parseTimeZone } from "./theme";

test("isTransparent recognizes what browsers compute for an element without a background", () => {
  expect(["transparent", "rgba(0, 0, 0, 0)", "oklch(0 0 0 / 0)"].map(isTransparent)).toEqual([true, true, true]);
  const colours = ["rgb(255, 255, 0)", "rgba(0, 0, 0, 0.5)", "oklch(0.23185 0.0323 0)"];
  expect(colours.map(isTransparent)).toEqual([false, false, false]);
});

test("parseTheme finds the theme among the classes of Airflow's root element", () => {
  expect(["dark", "a light b", "darker", ""].map(parseTheme)).toEqual(["dark", "light", null, null]);
});

test("parseTimeZone ignores what the browser does not know", () => {
  expect([null, '"Asia/Tokyo"', "Nowhere/Land"].map(parseTimeZone)).toEqual([undefined, "Asia/Tokyo", undefined]);
});
