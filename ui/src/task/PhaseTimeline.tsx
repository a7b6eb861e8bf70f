/** How long each phase of a training took, as a bar and as a list. */

import type { JSX } from "preact";

import type { PhaseInterval } from "../api/types";
import { formatDuration } from "../shared/format";
import { phaseDurations, phaseTotals } from "./phaseTimes";

interface Props {
  phases: readonly PhaseInterval[];
  /** Milliseconds since the epoch. */
  now: number;
}

export function PhaseTimeline({ phases, now }: Props): JSX.Element | null {
  if (phases.length === 0) return null;
  const durations = phaseDurations(phases, now);
  return (
    <>
      <div class="phases" aria-hidden="true">
        {phases.map((one, index) => (
          <span key={index} class={`phase-${one.phase}`} style={{ flexGrow: Math.max(durations[index] ?? 0, 1) }} />
        ))}
      </div>
      <ul class="phase-list" aria-label="Time in each phase">
        {phaseTotals(phases, now).map(({ phase, duration, times, title }, index) => (
          <li key={index} title={title}>
            <i class={`phase-${phase}`} aria-hidden="true" />
            {phase} {formatDuration(duration)}
            {times > 1 && ` (${times} times)`}
          </li>
        ))}
      </ul>
    </>
  );
}
