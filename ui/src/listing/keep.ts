/** What a new answer has left unchanged keeps its identity, so that only rows that changed are drawn again. */

import type { Outline } from "../api";
import { keyOf } from "./outline";

/**
 * *next*, with each training of *before* in place of an equal one, or of one of which nothing is heard now; *before*
 * itself where nothing has changed.
 */
export function kept(before: readonly Outline[], next: readonly Outline[]): readonly Outline[] {
  const old = new Map(before.map((one) => [keyOf(one), one]));
  const merged = next.map((one) => {
    const known = old.get(keyOf(one));
    if (known === undefined) return one;
    const unheard = one.state === null && one.id !== null && one.id === known.id;
    return unheard || JSON.stringify(known) === JSON.stringify(one) ? known : one;
  });
  const same = merged.length === before.length && merged.every((one, index) => one === before[index]);
  return same ? before : merged;
}
