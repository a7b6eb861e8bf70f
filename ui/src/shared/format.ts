/** Numbers, sizes and times as text. */

import { airflowTimeZone } from "./theme";

/** Four significant digits. */
export const formatNumber = (value: number): string => String(Number(value.toPrecision(4)));

const UNITS = ["B", "KiB", "MiB", "GiB"];

/** "512 B", "1.5 MiB"; GiB is the largest unit. */
export function formatBytes(bytes: number): string {
  let [value, unit] = [bytes, 0];
  while (value >= 1024 && unit < UNITS.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}

/** "2 h 5 min", "5 min 3 s" or "3 s"; *duration* is in milliseconds. */
export function formatDuration(duration: number): string {
  const seconds = Math.round(duration / 1000);
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}

let timeFormat: Intl.DateTimeFormat | null = null;

/** An ISO 8601 time in the time zone of Airflow's UI; a dash where there is none. */
export function formatTime(time: string | null): string {
  if (time === null) return "–";
  timeFormat ??= new Intl.DateTimeFormat("en-GB", {
    dateStyle: "medium",
    timeStyle: "short",
    timeZone: airflowTimeZone(),
  });
  return timeFormat.format(Date.parse(time));
}
