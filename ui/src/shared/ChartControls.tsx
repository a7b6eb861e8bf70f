/** The controls of a chart of curves: smoothing and a logarithmic scale. */

import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";

export interface ChartSettings {
  /** From 0 (none) to below 1. */
  smoothing: number;
  /** Whether the value axis is logarithmic. */
  logarithmic: boolean;
}

export function useChartSettings(): [ChartSettings, (settings: ChartSettings) => void] {
  return useState<ChartSettings>({ smoothing: 0, logarithmic: false });
}

interface Props {
  settings: ChartSettings;
  onChange: (settings: ChartSettings) => void;
  /** Further controls. */
  children?: ComponentChildren;
}

export function ChartControls({ settings, onChange, children }: Props): JSX.Element {
  return (
    <div class="controls">
      <label>
        Smoothing{" "}
        <input
          type="range"
          min="0"
          max="0.98"
          step="0.02"
          value={settings.smoothing}
          onInput={(event) => onChange({ ...settings, smoothing: Number(event.currentTarget.value) })}
        />
      </label>
      <label>
        <input
          type="checkbox"
          checked={settings.logarithmic}
          onChange={(event) => onChange({ ...settings, logarithmic: event.currentTarget.checked })}
        />{" "}
        logarithmic
      </label>
      {children}
    </div>
  );
}
