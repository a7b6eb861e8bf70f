/** The colours of curves: a curve keeps its colour for as long as it is selected, whichever others are. */

/** A slot for each of *selected*: keys in *previous* keep theirs, others get the lowest free one. */
export function assignColourSlots(
  previous: ReadonlyMap<string, number>,
  selected: Iterable<string>,
): ReadonlyMap<string, number> {
  const keys = [...selected];
  const taken = new Set(keys.map((key) => previous.get(key)));
  let free = 0;
  return new Map(
    keys.map((key) => {
      const slot = previous.get(key);
      if (slot !== undefined) return [key, slot];
      while (taken.has(free)) free += 1;
      taken.add(free);
      return [key, free];
    }),
  );
}
