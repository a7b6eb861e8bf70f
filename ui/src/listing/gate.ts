/** Lets a few through at a time. */

export type Gate = <Value>(work: () => Promise<Value>) => Promise<Value>;

/** A gate for *most* at once; the others wait in the order in which they came. One that fails makes room, too. */
export function gate(most: number): Gate {
  let inside = 0;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (inside >= most) await new Promise<void>((go) => waiting.push(go));
    else inside += 1;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next)
        next(); // takes over this one's place
      else inside -= 1;
    }
  };
}
