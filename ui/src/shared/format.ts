/** Numbers, sizes and times as text. */

import { airflowTimeZone } from "./theme";

/** Four significant digits; "NaN", "∞" and "-∞" where the value is no finite number. */
export const formatNumber = (value: number): string =>
  String(Number(value.toPrecision(4))).replace("Infinity", "∞");

const UNITS = ["B", "KiB", "MiB", "GiB"];

/** "512 B", "1.5 MiB"; GiB is the largest unit. */
export function formatBytes(bytes: number): string {
  let [value, unit] = [bytes, 0];
  while (value >= 1024 && unit < UNITS.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}

/** "2 h 5 min 3 s", "5 min 3 s" or "3 s"; *duration* is in milliseconds. */
export function formatDuration(duration: number): string {
  const seconds = Math.round(duration / 1000);
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  if (hours > 0) return `${hours} h ${minutes} min ${seconds % 60} s`;
  return minutes > 0 ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}

/** "45 s", "2 min", "3 h" or "5 days": the largest unit only; *age* is in milliseconds. */
export function formatAge(age: number): string {
  const seconds = Math.max(0, Math.floor(age / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  const hours = Math.floor(seconds / 3600);
  return hours < 48 ? `${hours} h` : `${Math.floor(hours / 24)} days`;
}

/** "1:05:03", for the labels of an axis; fractions of a second only where there are. */
export function formatClock(seconds: number): string {
  const sign = seconds < 0 ? "-" : "";
  const whole = Math.floor(Math.abs(seconds));
  const fraction = Math.round((Math.abs(seconds) - whole) * 10);
  if (fraction === 10) return formatClock(Math.round(seconds));
  const twoDigits = (value: number): string => String(value).padStart(2, "0");
  const clock = `${Math.floor(whole / 3600)}:${twoDigits(Math.floor(whole / 60) % 60)}:${twoDigits(whole % 60)}`;
  return `${sign}${clock}${fraction > 0 ? `.${fraction}` : ""}`;
}

let timeFormat: Intl.DateTimeFormat | null = null;
let exactTimeFormat: Intl.DateTimeFormat | null = null;

function makeTimeFormat(timeStyle: "short" | "long"): Intl.DateTimeFormat {
  return new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle, timeZone: airflowTimeZone() });
}

/** An ISO 8601 time in the time zone of Airflow's UI; a dash where there is none. */
export function formatTime(time: string | null): string {
  timeFormat ??= makeTimeFormat("short");
  return time === null ? "–" : timeFormat.format(Date.parse(time));
}

/** Like `formatTime`, with seconds and the time zone: "25 Nov 2026, 08:24:36 UTC". */
export function formatExactTime(time: string | null): string {
  exactTimeFormat ??= makeTimeFormat("long");
  return time === null ? "–" : exactTimeFormat.format(Date.parse(time));
}
