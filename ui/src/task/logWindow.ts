/** The part of a log that the page holds: whole lines between two bytes. A log may have gigabytes, the window megabytes. */

import type { LogChunk } from "../api/types";

export interface LogWindow {
  lines: readonly string[];
  /** The byte at which each line starts, from the beginning of the log. */
  starts: readonly number[];
  /** The first byte of the window, and the one after its last. */
  start: number;
  end: number;
  /** Bytes of the whole log. */
  size: number;
  /** Whether the log can't grow any more, and the window contains its end. */
  complete: boolean;
}

export const EMPTY_WINDOW: LogWindow = { lines: [], starts: [], start: 0, end: 0, size: 0, complete: false };

/** Maximum bytes; lines at the other end are dropped. */
export const MAX_WINDOW_BYTES = 4 * 1024 * 1024;

const encoder = new TextEncoder();
// eslint-disable-next-line no-control-regex
const ANSI_ESCAPE = /\x1b\[[0-9;?]*[A-Za-z]/g;

/** The text of a line as a terminal would show it: without colours, and after the last carriage return. */
export function displayText(line: string): string {
  return (line.replace(ANSI_ESCAPE, "").split("\r").filter(Boolean).pop() ?? "").replace(/[\x00-\x08]/g, "");
}

/** The window that contains *chunk* only. */
export function windowFromChunk(chunk: LogChunk): LogWindow {
  const lines = chunk.text.split("\n");
  if (lines[lines.length - 1] === "") lines.pop();
  let next = chunk.start;
  const starts = lines.map((line) => {
    const start = next;
    next += encoder.encode(line).length + 1;
    return start;
  });
  return { lines, starts, start: chunk.start, end: chunk.end, size: chunk.size, complete: chunk.complete };
}

/** *window* with the *chunk* that follows it; a chunk from another place replaces it. */
export function appendChunk(window: LogWindow, chunk: LogChunk): LogWindow {
  if (chunk.start !== window.end) return windowFromChunk(chunk);
  if (chunk.end === chunk.start) return { ...window, size: chunk.size, complete: chunk.complete };
  const more = windowFromChunk(chunk);
  return trimWindow(
    {
      ...more,
      lines: [...window.lines, ...more.lines],
      starts: [...window.starts, ...more.starts],
      start: window.start,
    },
    "head",
  );
}

/** *window* with the *chunk* before it; a chunk from another place replaces it. */
export function prependChunk(window: LogWindow, chunk: LogChunk): LogWindow {
  if (chunk.end !== window.start) return windowFromChunk(chunk);
  const more = windowFromChunk(chunk);
  return trimWindow(
    {
      ...window,
      lines: [...more.lines, ...window.lines],
      starts: [...more.starts, ...window.starts],
      start: more.start,
    },
    "tail",
  );
}

function trimWindow(window: LogWindow, from: "head" | "tail"): LogWindow {
  if (window.end - window.start <= MAX_WINDOW_BYTES) return window;
  const { lines, starts } = window;
  if (from === "head") {
    const first = starts.findIndex((start) => window.end - start <= MAX_WINDOW_BYTES);
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
