/** A training's state as an icon and a word. */

import type { JSX } from "preact";

import type { TrainingState } from "../api/types";

const ICONS: Record<TrainingState, string> = { pending: "◌", running: "▶", completed: "✓", error: "✕", canceled: "⊘" };

/** The text in place of a state where there is none. */
export const missingStateText = (id: string | null): string => (id === null ? "not submitted" : "unknown");

export function StateBadge({ state, id }: { state: TrainingState | null; id: string | null }): JSX.Element {
  return (
    <span class={`state state-${state ?? "none"}`}>
      <span aria-hidden="true">{state === null ? "◌" : ICONS[state]}</span> {state ?? missingStateText(id)}
    </span>
  );
}
