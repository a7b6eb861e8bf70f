/** Values of metrics: JSON has no NaN and no infinities, which the API sends as texts. */

import type { CurveSeries } from "../api/types";

/** A value as the API sends it. */
export type MetricNumber = CurveSeries["points"][number][1];

/** *value* as a number; NaN and the infinities stay what they are. */
export function toNumber(value: MetricNumber): number {
  return Number(value);
}
