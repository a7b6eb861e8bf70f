/**
 * The part of a log that the page holds: whole lines between two bytes. A log may have gigabytes, the window megabytes.
 *
 * Of a redrawn line, such as a progress bar, only the newest state is held (see `newestState`); while the bar runs, each
 * chunk brings more states of the last line.
 */

import type { LogChunk } from "../api/types";
import { newestState } from "../shared/plainText";

export interface LogWindow {
  lines: readonly string[];
  /** The byte at which each line starts, from the beginning of the log. */
  starts: readonly number[];
  /** The first byte of the window, and the one after its last. */
  start: number;
  end: number;
  /** Bytes of the whole log. */
  size: number;
  /** Whether the next chunk continues the last line. */
  isOpen: boolean;
  /** Whether the log can't grow any more, and the window contains its end. */
  complete: boolean;
}

export const EMPTY_WINDOW: LogWindow = {
  lines: [],
  starts: [],
  start: 0,
  end: 0,
  size: 0,
  isOpen: false,
  complete: false,
};

/** Maximum bytes; lines at the other end are dropped. */
export const MAX_WINDOW_BYTES = 4 * 1024 * 1024;

const encoder = new TextEncoder();

/** The window that contains *chunk* only. */
export function windowFromChunk(chunk: LogChunk): LogWindow {
  const lines = chunk.text.split("\n");
  const isOpen = lines[lines.length - 1] !== "";
  if (!isOpen) lines.pop();
  let next = chunk.start;
  const starts = lines.map((line) => {
    const start = next;
    next += encoder.encode(line).length + 1;
    return start;
  });
  const { start, end, size, complete } = chunk;
  return { lines: lines.map(newestState), starts, start, end, size, isOpen, complete };
}

/** *window* with the *chunk* that follows it; a chunk from another place replaces it. */
export function appendChunk(window: LogWindow, chunk: LogChunk): LogWindow {
  if (chunk.start !== window.end) return windowFromChunk(chunk);
  if (chunk.end === chunk.start) return { ...window, size: chunk.size, complete: chunk.complete };
  const more = windowFromChunk(chunk);
  return trimWindow(
    { ...more, ...joinLines(window, more), start: window.start },
    "head",
  );
}

/** *window* with the *chunk* before it; a chunk from another place replaces it. */
export function prependChunk(window: LogWindow, chunk: LogChunk): LogWindow {
  if (chunk.end !== window.start) return windowFromChunk(chunk);
  const more = windowFromChunk(chunk);
  return trimWindow(
    { ...window, ...joinLines(more, window), start: more.start },
    "tail",
  );
}

/** The lines of two parts of a log, the second after the first; a line that both have a part of becomes one. */
function joinLines(first: LogWindow, second: LogWindow): Pick<LogWindow, "lines" | "starts"> {
  if (!first.isOpen || second.lines.length === 0)
    return { lines: [...first.lines, ...second.lines], starts: [...first.starts, ...second.starts] };
  const joined = newestState((first.lines[first.lines.length - 1] ?? "") + (second.lines[0] ?? ""));
  return {
    lines: [...first.lines.slice(0, -1), joined, ...second.lines.slice(1)],
    starts: [...first.starts, ...second.starts.slice(1)],
  };
}

function trimWindow(window: LogWindow, from: "head" | "tail"): LogWindow {
  if (window.end - window.start <= MAX_WINDOW_BYTES) return window;
  const { lines, starts } = window;
  if (from === "head") {
    const fitting = starts.findIndex((start) => window.end - start <= MAX_WINDOW_BYTES);
    // A redrawn line of more bytes stays: its newest state is short.
    const first = fitting < 0 ? starts.length - 1 : fitting;
    if (first <= 0) return window;
    return { ...window, lines: lines.slice(first), starts: starts.slice(first), start: starts[first] ?? window.start };
  }
  const past = starts.findIndex((start) => start - window.start > MAX_WINDOW_BYTES);
  if (past <= 0) return window;
  return {
    ...window,
    lines: lines.slice(0, past),
    starts: starts.slice(0, past),
    end: starts[past] ?? window.end,
    isOpen: false,
    complete: false,
  };
}

/** The index of the line that starts at byte *start*, or of the last one before it. */
export function lineIndexAt(window: LogWindow, start: number): number {
  let [low, high] = [0, window.starts.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((window.starts[middle] ?? 0) <= start) low = middle;
    else high = middle - 1;
  }
  return Math.max(low, 0);
}
