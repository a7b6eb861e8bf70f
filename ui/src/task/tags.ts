/** The limits of tags and notes, which the service checks too. */

export const MAX_NOTE_LENGTH = 4_000;
export const MAX_TAGS = 20;
export const MAX_TAG_LENGTH = 64;

/** *tags* and those in *typed*, which commas separate; each once, without spaces at its ends. */
export function addTags(tags: readonly string[], typed: string): string[] {
  const added = typed.split(",").map((tag) => tag.trim());
  return [...new Set([...tags, ...added.filter((tag) => tag !== "")])];
}

/** Why the service would refuse *tags*, as a sentence; null where it would not. */
export function tagsError(tags: readonly string[]): string | null {
  const long = tags.find((tag) => [...tag].length > MAX_TAG_LENGTH);
  if (long !== undefined) return `A tag has at most ${MAX_TAG_LENGTH} characters: “${long.slice(0, 20)}…” has more.`;
  return tags.length > MAX_TAGS ? `A training has at most ${MAX_TAGS} tags; these are ${tags.length}.` : null;
}
