/** The resources that a training used, as the curves of charts. */

import type { UsagePointSeries } from "../api/types";
import { formatBytes, formatNumber } from "../shared/format";
import type { ChartLine } from "./curvePlot";

export interface UsageGroup {
  title: string;
  valueTitle: string;
  lines: ChartLine[];
  formatValue: (value: number) => string;
  /** The lowest and the highest value that the axis has at least. */
  range: readonly [number, number];
  /** The distances that the labels of the value axis may have. */
  steps?: number[];
}

/** Powers of two, so that the labels are round in KiB, MiB and GiB. */
const BYTE_STEPS = Array.from({ length: 50 }, (_, power) => 2 ** power);

interface ResourceFormat {
  title: string;
  valueTitle: string;
  range: readonly [number, number];
}

const formatPercent = (value: number): string => `${formatNumber(value)} %`;

/** How the resources are shown, in their order. */
const RESOURCES: Record<string, ResourceFormat> = {
  cpu: { title: "CPU", valueTitle: "percent of a core", range: [0, 100] },
  memory: { title: "Memory", valueTitle: "memory", range: [0, 0] },
  gpu: { title: "GPU", valueTitle: "utilization", range: [0, 100] },
  gpu_memory: { title: "GPU memory", valueTitle: "memory", range: [0, 0] },
};

/** A group for each resource that has points; resources that this page does not know are left out. */
export function usageGroups(series: readonly UsagePointSeries[]): UsageGroup[] {
  return Object.entries(RESOURCES).flatMap(([resource, { title, valueTitle, range }]) => {
    const found = series.filter((one) => one.resource === resource && one.points.length > 0);
    if (found.length === 0) return [];
    const isBytes = found[0]?.unit === "bytes";
    const formatValue = isBytes ? formatBytes : formatPercent;
    const lines = found.map((one, slot) => usageLine(one, slot, formatValue));
    return [{ title, valueTitle, lines, formatValue, range, ...(isBytes && { steps: BYTE_STEPS }) }];
  });
}

function usageLine(series: UsagePointSeries, slot: number, format: (value: number) => string): ChartLine {
  const limit = series.limit === null ? "" : ` (of ${format(series.limit)})`;
  return {
    key: series.device,
    label: `${series.device || "used"}${limit}`,
    slot,
    points: series.points.map(([at, value]) => [at, value, at]),
  };
}
