/** Limits how many asynchronous functions run at the same time. */

export type Limiter = <Value>(work: () => Promise<Value>) => Promise<Value>;

/** Runs at most *maxConcurrent* functions at once; others wait in order. A function that fails frees its place, too. */
export function concurrencyLimiter(maxConcurrent: number): Limiter {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (running >= maxConcurrent) await new Promise<void>((start) => waiting.push(start));
    else running += 1;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next)
        next(); // it takes this function's place
      else running -= 1;
    }
  };
}
