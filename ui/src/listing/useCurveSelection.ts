/** Which trainings' curves are shown: default ones until the user selects some. */

import { useCallback, useMemo, useRef, useState } from "preact/hooks";

import type { TrainingListItem } from "../api/types";
import { trainingKey } from "./trainingFields";
import { MAX_CURVES, toggleKey } from "./curveSelection";
import { assignColourSlots } from "./colourSlots";
import type { CurveSelection } from "./TrainingTable";

interface CurveSelectionState {
  selection: CurveSelection;
  /** The selected trainings, in the order of the rows. */
  trainings: readonly TrainingListItem[];
  /** null selects the default keys again. */
  select: (keys: ReadonlySet<string> | null) => void;
}

/** *defaultKeys* are selected until the user selects; they may change meanwhile. */
export function useCurveSelection(
  rows: readonly TrainingListItem[],
  defaultKeys: ReadonlySet<string>,
): CurveSelectionState {
  const [chosenKeys, select] = useState<ReadonlySet<string> | null>(null);
  const keys = chosenKeys ?? defaultKeys;
  const latestKeys = useRef(keys);
  latestKeys.current = keys;
  const toggle = useCallback((key: string) => select(toggleKey(latestKeys.current, key)), []);
  const trainings = useMemo(() => rows.filter((training) => keys.has(trainingKey(training))), [rows, keys]);
  const lastSlots = useRef<ReadonlyMap<string, number>>(new Map());
  const slots = useMemo(() => (lastSlots.current = assignColourSlots(lastSlots.current, keys)), [keys]);
  return { selection: { keys, slots, isFull: keys.size >= MAX_CURVES, toggle }, trainings, select };
}
