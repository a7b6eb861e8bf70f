/** A log: its end as it grows, what is above it on demand, and a search through all of it. */

import type { JSX } from "preact";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";

import type { LogMatches, LogPiece } from "../api";
import { get } from "../listing/core";
import { appended, EMPTY, lineAt, opened, prepended, shown, type Window } from "./window";

const LINE = 18;
const PIECE = String(256 * 1024);
const EVERY = 1500;

interface Props {
  query: Record<string, string>;
}

export function LogView({ query }: Props): JSX.Element {
  const [window_, setWindow] = useState<Window>(EMPTY);
  const [follow, setFollow] = useState(true);
  const [trouble, setTrouble] = useState<string | null>(null);
  const [scroll, setScroll] = useState({ top: 0, height: 400 });
  const [found, setFound] = useState<number | null>(null);
  const box = useRef<HTMLDivElement>(null);
  const state = useRef({ window_, follow, trouble, busy: false });
  state.current.window_ = window_;
  state.current.follow = follow;
  state.current.trouble = trouble;
  const key = JSON.stringify(query);

  const load = useCallback(
    async (more: Record<string, string>, take: (window: Window, piece: LogPiece) => Window): Promise<void> => {
      // What a person asks for waits for its turn; a look for what is new comes again by itself.
      while (state.current.busy) await new Promise((turn) => window.setTimeout(turn, 50));
      state.current.busy = true;
      try {
        const piece = await get<LogPiece>("log", { ...query, ...more }, AbortSignal.timeout(15_000));
        setWindow((before) => take(before, piece));
        setTrouble(null);
      } catch (error) {
        setTrouble(error instanceof Error ? error.message : String(error));
      } finally {
        state.current.busy = false;
      }
    },
    [key],
  );

  useEffect(() => {
    setWindow(EMPTY);
    void load({ tail: PIECE }, (_, piece) => opened(piece));
    const timer = window.setInterval(() => {
      const { window_: held, follow: following } = state.current;
      if (document.hidden || state.current.busy) return;
      // While there is trouble it is asked in any case, or nobody would hear that it is over.
      if (state.current.trouble === null && (held.complete || !following)) return;
      void load({ offset: String(held.end), limit: PIECE }, appended);
    }, EVERY);
    return () => window.clearInterval(timer);
  }, [key]);

  useEffect(() => {
    if (follow && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [window_, follow]);

  const onScroll = (): void => {
    const element = box.current;
    if (!element) return;
    setScroll({ top: element.scrollTop, height: element.clientHeight });
    const atEnd = element.scrollTop + element.clientHeight >= element.scrollHeight - LINE;
    if (follow && !atEnd) setFollow(false);
    const held = state.current.window_;
    if (element.scrollTop < LINE * 5 && held.start > 0 && !state.current.busy && !atEnd) {
      const start = Math.max(0, held.start - Number(PIECE));
      void load({ offset: String(start), limit: String(held.start - start) }, (before, piece) => {
        const above = piece.end === before.start ? opened(piece).lines.length : 0;
        requestAnimationFrame(() => {
          if (box.current) box.current.scrollTop += above * LINE;
        });
        return prepended(before, piece);
      });
    }
    if (atEnd && !follow && held.end < held.size) void load({ offset: String(held.end), limit: PIECE }, appended);
  };

  const goTo = useCallback(
    async (start: number): Promise<void> => {
      setFollow(false);
      const held = state.current.window_;
      const bring = (window: Window): void => {
        const line = lineAt(window, start);
        setFound(start);
        requestAnimationFrame(() => {
          if (box.current) box.current.scrollTop = Math.max(0, line * LINE - box.current.clientHeight / 2);
        });
      };
      if (start >= held.start && start < held.end) bring(held);
      else
        await load({ offset: String(Math.max(0, start)), limit: PIECE }, (_, piece) => {
          const window = opened(piece);
          bring(window);
          return window;
        });
    },
    [load],
  );

  const first = Math.max(0, Math.floor(scroll.top / LINE) - 20);
  const last = Math.min(window_.lines.length, Math.ceil((scroll.top + scroll.height) / LINE) + 20);
  const visible = window_.lines.slice(first, last);
  return (
    <>
      <div class="controls">
        <label>
          <input
            type="checkbox"
            checked={follow}
            onChange={(event) => {
              setFollow(event.currentTarget.checked);
              if (event.currentTarget.checked) void load({ tail: PIECE }, (_, piece) => opened(piece));
            }}
          />
          Follow
        </label>
        <Search query={query} goTo={goTo} />
        <span class="quiet">{sizeOf(window_.size)}</span>
      </div>
      {trouble && <p class="notice" role="status">{trouble}</p>}
      <div class="log" ref={box} onScroll={onScroll} tabIndex={0} role="log" aria-label="Log of the training" aria-live="off">
        <pre style={{ height: `${window_.lines.length * LINE}px` }}>
          {visible.map((line, index) => (
            <div
              key={window_.starts[first + index]}
              class={window_.starts[first + index] === found ? "found" : ""}
              style={{ top: `${(first + index) * LINE}px` }}
            >
              {shown(line)}
            </div>
          ))}
        </pre>
      </div>
    </>
  );
}

function Search({ query, goTo }: { query: Record<string, string>; goTo: (start: number) => Promise<void> }): JSX.Element {
  const [text, setText] = useState("");
  const [result, setResult] = useState<{ matches: LogMatches["matches"]; next: number | null; at: number } | null>(null);
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<string | null>(null);
  const look = async (offset: number): Promise<void> => {
    setBusy(true);
    setTrouble(null);
    try {
      let next: number | null = offset;
      let matches: LogMatches["matches"] = [];
      // Of a large log each answer has looked through a part: on to the first that has found something.
      while (next !== null && matches.length === 0) {
        const answer: LogMatches = await get<LogMatches>("log/search", { ...query, text, offset: String(next) }, AbortSignal.timeout(30_000));
        matches = answer.matches;
        next = answer.next;
      }
      setResult({ matches, next, at: 0 });
      if (matches[0]) await goTo(matches[0].start);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      setResult(null);
      setTrouble(error.message);
    } finally {
      setBusy(false);
    }
  };
  const step = async (by: number): Promise<void> => {
    if (!result) return;
    const at = result.at + by;
    const match = result.matches[at];
    if (match) {
      setResult({ ...result, at });
      await goTo(match.start);
    } else if (by > 0 && result.next !== null) await look(result.next);
  };
  return (
    <form
      class="controls"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        if (text) void look(0);
      }}
    >
      <label>
        Search <input type="search" value={text} onInput={(event) => setText(event.currentTarget.value)} />
      </label>
      <button type="submit" disabled={busy || !text}>Find</button>
      {trouble && <span role="alert">{trouble}</span>}
      {result && (
        <>
          <button type="button" onClick={() => void step(-1)} disabled={busy || result.at === 0}>Previous</button>
          <button type="button" onClick={() => void step(1)} disabled={busy || (result.at + 1 >= result.matches.length && result.next === null)}>Next</button>
          <span role="status">{result.matches.length === 0 ? "Nothing found" : `${result.at + 1} of ${result.matches.length}${result.next === null ? "" : "+"}`}</span>
        </>
      )}
    </form>
  );
}

function sizeOf(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB"];
  let [value, unit] = [bytes, 0];
  while (value >= 1024 && unit < units.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}
