/** Whether a higher or a lower value of a metric is better, guessed from its name; the user can select the other. */

export type Direction = "up" | "down";

/** Ends of words of metrics for which lower is better: matches "minibatchloss", not "glossary". */
const LOWER_IS_BETTER_PATTERN =
  /(loss|losses|error|errors|perplexity|rmse|mse|mae|mape|divergence|distance|latency|crossentropy)$/;

/** Short words, which must match as a whole, because other words may end with them. */
const LOWER_IS_BETTER_WORDS = new Set(["err", "ppl", "wer", "cer", "fid", "nll", "bpc", "eer", "cost"]);

export function guessDirection(metric: string): Direction {
  const words = metric
    .replace(/([a-z0-9])([A-Z])/g, "$1 $2")
    .toLowerCase()
    .split(/[^a-z0-9]+/);
  return words.some((word) => LOWER_IS_BETTER_PATTERN.test(word) || LOWER_IS_BETTER_WORDS.has(word)) ? "down" : "up";
}

/** The difference of the two: positive where *value* is better than *other*, negative where it is worse. */
export function improvement(value: number, other: number, direction: Direction): number {
  return direction === "up" ? value - other : other - value;
}

/** Whether *value* is better than *other*. NaN and infinities are worse than every finite value: they diverged. */
export function isBetter(value: number, other: number, direction: Direction): boolean {
  if (!Number.isFinite(value) || !Number.isFinite(other)) return Number.isFinite(value) && !Number.isFinite(other);
  return improvement(value, other, direction) > 0;
}

/** The best of *values*, ignoring NaN and infinities; null where there is none. */
export function bestValue(values: Iterable<number>, direction: Direction): number | null {
  let found: number | null = null;
  for (const value of values) {
    if (Number.isFinite(value) && (found === null || isBetter(value, found, direction))) found = value;
  }
  return found;
}
