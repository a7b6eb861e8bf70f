/** The search through a training's log, also through parts that the page does not hold. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";

import { fetchJson } from "../api/client";
import type { LogMatch, LogMatches } from "../api/types";

/** Milliseconds until a search request fails. */
const SEARCH_TIMEOUT = 30_000;

interface Props {
  query: Record<string, string>;
  /** Shows the line that starts at this byte. */
  onMatch: (start: number) => Promise<void>;
}

interface SearchResult {
  matches: readonly LogMatch[];
  /** The byte from which the search can go on; null where the log is searched to its end. */
  next: number | null;
  /** The index of the match that is shown. */
  index: number;
}

export function LogSearch({ query, onMatch }: Props): JSX.Element {
  const [text, setText] = useState("");
  const [result, setResult] = useState<SearchResult | null>(null);
  const [isSearching, setIsSearching] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const search = async (offset: number): Promise<void> => {
    setIsSearching(true);
    setError(null);
    try {
      const found = await findMatches({ ...query, text }, offset);
      setResult({ ...found, index: 0 });
      if (found.matches[0]) await onMatch(found.matches[0].start);
    } catch (failure) {
      if (!(failure instanceof Error)) throw failure;
      setResult(null);
      setError(failure.message);
    } finally {
      setIsSearching(false);
    }
  };
  const step = async (by: number): Promise<void> => {
    if (!result) return;
    const index = result.index + by;
    const match = result.matches[index];
    if (match) {
      setResult({ ...result, index });
      await onMatch(match.start);
    } else if (by > 0 && result.next !== null) await search(result.next);
  };
  const isLast = result !== null && result.index + 1 >= result.matches.length && result.next === null;
  return (
    <form
      class="controls"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        if (text) void search(0);
      }}
    >
      <label>
        Search <input type="search" value={text} onInput={(event) => setText(event.currentTarget.value)} />
      </label>
      <button type="submit" disabled={isSearching || !text}>
        Find
      </button>
      {error && <span role="alert">{error}</span>}
      {result && (
        <>
          <button type="button" onClick={() => void step(-1)} disabled={isSearching || result.index === 0}>
            Previous
          </button>
          <button type="button" onClick={() => void step(1)} disabled={isSearching || isLast}>
            Next
          </button>
          <span role="status">{matchCountText(result)}</span>
        </>
      )}
    </form>
  );
}

function matchCountText({ matches, next, index }: SearchResult): string {
  return matches.length === 0 ? "No match" : `${index + 1} of ${matches.length}${next === null ? "" : "+"}`;
}

/** The first matches from byte *offset* on. Of a large log each response covers a part, so several requests may follow. */
async function findMatches(query: Record<string, string>, offset: number): Promise<Omit<SearchResult, "index">> {
  for (let from = offset; ;) {
    const signal = AbortSignal.timeout(SEARCH_TIMEOUT);
    const found = await fetchJson<LogMatches>("log/search", { ...query, offset: String(from) }, signal);
    const next = found.next ?? null;
    if (found.matches.length > 0 || next === null) return { matches: found.matches, next };
    from = next;
  }
}
