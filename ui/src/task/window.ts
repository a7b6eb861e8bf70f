/** The part of a log that is held: whole lines between two bytes of it. A log may have gigabytes, this has megabytes. */

import type { LogPiece } from "../api";

export interface Window {
  lines: readonly string[];
  /** The byte each line starts at, counted from the log's beginning. */
  starts: readonly number[];
  start: number;
  end: number;
  size: number;
  complete: boolean;
}

export const EMPTY: Window = { lines: [], starts: [], start: 0, end: 0, size: 0, complete: false };

/** Bytes held at most; what is furthest from where one looks is let go. */
export const MOST = 4 * 1024 * 1024;

const encoder = new TextEncoder();
// eslint-disable-next-line no-control-regex
const TERMINAL = /\x1b\[[0-9;?]*[A-Za-z]/g;

/** A line as it is shown: without colours, and of a bar that redraws itself the last drawing. */
export function shown(line: string): string {
  return (line.replace(TERMINAL, "").split("\r").filter(Boolean).pop() ?? "").replace(/[\x00-\x08]/g, "");
}

/** The window that holds *piece* alone. */
export function opened(piece: LogPiece): Window {
  const lines = piece.text.split("\n");
  if (lines[lines.length - 1] === "") lines.pop();
  let at = piece.start;
  const starts = lines.map((line) => {
    const here = at;
    at += encoder.encode(line).length + 1;
    return here;
  });
  return { lines, starts, start: piece.start, end: piece.end, size: piece.size, complete: piece.complete };
}

/** *window* and the *piece* that follows it; a piece from elsewhere takes its place. */
export function appended(window: Window, piece: LogPiece): Window {
  if (piece.start !== window.end) return opened(piece);
  if (piece.end === piece.start) return { ...window, size: piece.size, complete: piece.complete };
  const more = opened(piece);
  return trimmed(
    { ...more, lines: [...window.lines, ...more.lines], starts: [...window.starts, ...more.starts], start: window.start },
    "head",
  );
}

/** The *piece* before *window*, and that. */
export function prepended(window: Window, piece: LogPiece): Window {
  if (piece.end !== window.start) return opened(piece);
  const more = opened(piece);
  return trimmed(
    { ...window, lines: [...more.lines, ...window.lines], starts: [...more.starts, ...window.starts], start: more.start },
    "tail",
  );
}

function trimmed(window: Window, from: "head" | "tail"): Window {
  if (window.end - window.start <= MOST) return window;
  const { lines, starts } = window;
  if (from === "head") {
    const first = starts.findIndex((start) => window.end - start <= MOST);
    if (first <= 0) return window;
    return { ...window, lines: lines.slice(first), starts: starts.slice(first), start: starts[first] ?? window.start };
  }
  const past = starts.findIndex((start) => start - window.start > MOST);
  if (past <= 0) return window;
  return { ...window, lines: lines.slice(0, past), starts: starts.slice(0, past), end: starts[past] ?? window.end, complete: false };
}

/** Which line starts at byte *start*, or the last one before it. */
export function lineAt(window: Window, start: number): number {
  let [low, high] = [0, window.starts.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((window.starts[middle] ?? 0) <= start) low = middle;
    else high = middle - 1;
  }
  return Math.max(low, 0);
}
