/** The texts of the table of GPU-hours. */

import type { ServiceUsage, UsageHours } from "../api/types";

export type UsageGrouping = "dag" | "state";

export interface UsageTableRow {
  name: string;
  trainings: string;
  hours: string;
  wasted: string;
  share: string;
  causes: string;
}

/** The rows of a service's table, with the total as the last one. */
export function usageTableRows(usage: ServiceUsage): UsageTableRow[] {
  return [...usage.rows.map((row) => tableRow(row.name ?? "other", row)), tableRow("all", usage.total)];
}

/** The wasted part in percent; empty where nothing was used. */
export function wastedShare({ gpu_hours, wasted_hours }: UsageHours): string {
  return gpu_hours > 0 ? `${Math.round((100 * wasted_hours) / gpu_hours)} %` : "";
}

/** Hours with one decimal; a small use is not shown as none. */
export function formatHours(hours: number): string {
  return hours > 0 && hours < 0.05 ? "< 0.1" : hours.toFixed(1);
}

function tableRow(name: string, row: UsageHours): UsageTableRow {
  return {
    name,
    trainings: String(row.trainings),
    hours: formatHours(row.gpu_hours),
    wasted: formatHours(row.wasted_hours),
    share: wastedShare(row),
    causes: row.wasted.map(({ cause, hours }) => `${cause} ${formatHours(hours)}`).join(", "),
  };
}
