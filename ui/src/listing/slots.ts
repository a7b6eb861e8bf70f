/** Which colour a training's curve has: the same for as long as it is chosen, whatever else comes and goes. */

/** A number for each key of *chosen*: those that had one *before* keep it, others get the lowest that is free. */
export function slots(before: ReadonlyMap<string, number>, chosen: Iterable<string>): ReadonlyMap<string, number> {
  const keys = [...chosen];
  const taken = new Set(keys.map((key) => before.get(key)));
  let free = 0;
  return new Map(
    keys.map((key) => {
      const slot = before.get(key);
      if (slot !== undefined) return [key, slot];
      while (taken.has(free)) free += 1;
      taken.add(free);
      return [key, free];
    }),
  );
}
