/** The labels of a time axis. */

import { airflowTimeZone } from "../shared/theme";

const DAY = 86_400;

const TIME: Intl.DateTimeFormatOptions = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const DATE: Intl.DateTimeFormatOptions = { day: "numeric", month: "short" };

/**
 * "25 Nov"; where *step* is less than a day "02:00", and less than a minute "02:00:30", with the date below the first
 * label of each day. *times* and *step* are in seconds.
 */
export function formatTicks(times: readonly number[], step: number, timeZone = airflowTimeZone()): string[] {
  const formatter = (options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat =>
    new Intl.DateTimeFormat("en-GB", { ...options, timeZone });
  const date = formatter(DATE);
  if (step >= DAY) return times.map((time) => date.format(time * 1000));
  const clock = formatter(step < 60 ? { ...TIME, second: "2-digit" } : TIME);
  let lastDate = "";
  return times.map((time) => {
    const day = date.format(time * 1000);
    const label = clock.format(time * 1000) + (day === lastDate ? "" : `\n${day}`);
    lastDate = day;
    return label;
  });
}
