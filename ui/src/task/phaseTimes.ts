/** How long the phases of a training took. */

import type { PhaseInterval } from "../api/types";
import { formatExactTime } from "../shared/format";

/** Phases that are listed one by one; of more, which a training with several attempts has, each one has its sum. */
const MAX_LISTED = 9;

/** The milliseconds of each of *phases*; *now*, in milliseconds since the epoch, ends the present one. */
export function phaseDurations(phases: readonly PhaseInterval[], now: number): number[] {
  return phases.map(({ since, until }) => Math.max(0, (until ? Date.parse(until) : now) - Date.parse(since)));
}

export interface PhaseTotal {
  phase: string;
  /** Milliseconds. */
  duration: number;
  /** How often the training was in this phase. */
  times: number;
  title: string;
}

/** An entry for each of *phases*; of many, for each different one in the order of its first occurrence. */
export function phaseTotals(phases: readonly PhaseInterval[], now: number): PhaseTotal[] {
  const entries = phaseDurations(phases, now).map((duration, index): PhaseTotal => {
    const { phase = "", since = "" } = phases[index] ?? {};
    return { phase, duration, times: 1, title: `since ${formatExactTime(since)}` };
  });
  if (entries.length <= MAX_LISTED) return entries;
  const totals = new Map<string, PhaseTotal>();
  for (const one of entries) {
    const total = totals.get(one.phase);
    if (total === undefined) totals.set(one.phase, { ...one });
    else {
      total.duration += one.duration;
      total.times += 1;
      total.title = `last ${one.title}`;
    }
  }
  return [...totals.values()];
}
