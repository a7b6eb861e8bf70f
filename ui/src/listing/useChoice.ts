/** Which trainings' curves are shown: the best few, until a person chooses. */

import { useCallback, useMemo, useRef, useState } from "preact/hooks";

import type { Outline } from "../api";
import { keyOf } from "./outline";
import { MOST, toggled } from "./rank";
import { slots } from "./slots";
import type { Choice } from "./Table";

interface Chosen {
  choice: Choice;
  /** Those of *rows* that are chosen, in the rows' order. */
  chosen: readonly Outline[];
  choose: (keys: ReadonlySet<string> | null) => void;
}

/** *suggested* counts until something is chosen; it may change meanwhile. */
export function useChoice(rows: readonly Outline[], suggested: ReadonlySet<string>): Chosen {
  const [said, choose] = useState<ReadonlySet<string> | null>(null);
  const keys = said ?? suggested;
  const now = useRef(keys);
  now.current = keys;
  const toggle = useCallback((key: string) => choose(toggled(now.current, key)), []);
  const chosen = useMemo(() => rows.filter((one) => keys.has(keyOf(one))), [rows, keys]);
  const before = useRef<ReadonlyMap<string, number>>(new Map());
  const colours = useMemo(() => (before.current = slots(before.current, keys)), [keys]);
  return { choice: { chosen: keys, slots: colours, full: keys.size >= MOST, toggle }, chosen, choose };
}
