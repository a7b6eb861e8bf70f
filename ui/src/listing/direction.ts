/** Which way a metric gets better, guessed from its name. A person may say otherwise: then that counts. */

export type Direction = "up" | "down";

/** How words end of which less is better: "minibatchloss", but no "glossary"; "crossentropy". */
const LESS = /(loss|losses|error|errors|perplexity|rmse|mse|mae|mape|divergence|distance|latency|crossentropy)$/;

/** Those too short to end a word by chance: they must be all of it. */
const LESS_WORDS = new Set(["err", "ppl", "wer", "cer", "fid", "nll", "bpc", "eer", "cost"]);

export function guessDirection(metric: string): Direction {
  const words = metric
    .replace(/([a-z0-9])([A-Z])/g, "$1 $2")
    .toLowerCase()
    .split(/[^a-z0-9]+/);
  return words.some((word) => LESS.test(word) || LESS_WORDS.has(word)) ? "down" : "up";
}

/** Positive where *value* is better than *other*, negative where it is worse. */
export function advantage(value: number, other: number, direction: Direction): number {
  return direction === "up" ? value - other : other - value;
}

/** The best of *values*; null where there are none. NaN and the infinities are never best. */
export function best(values: Iterable<number>, direction: Direction): number | null {
  let found: number | null = null;
  for (const value of values) {
    if (Number.isFinite(value) && (found === null || advantage(value, found, direction) > 0)) found = value;
  }
  return found;
}
