import { expect, test } from "vitest";

import { CURVE_COLOURS } from "../shared/colours";

const PANELS = { light: "#f7f9fb", dark: "#101724" };

/** WCAG's relative luminance. */
function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const part = parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

test.each(Object.entries(PANELS))(
  "each curve colour has a contrast of 3:1 to the panel of the %s theme",
  (_, panel) => {
    for (const colour of CURVE_COLOURS) {
      const [high = 0, low = 0] = [luminance(colour), luminance(panel)].sort((one, other) => other - one);
      expect((high + 0.05) / (low + 0.05), colour).toBeGreaterThanOrEqual(3);
    }
  },
);
