import { expect, test } from "vitest";

import { plainLine } from "../shared/plainText";
import {
  appendChunk,
  EMPTY_WINDOW,
  lineIndexAt,
  MAX_WINDOW_BYTES,
  windowFromChunk,
  prependChunk,
} from "./logWindow";

const chunk = (text: string, start: number, size = start + text.length, complete = false) => ({
  text,
  start,
  end: start + new TextEncoder().encode(text).length,
  size,
  complete,
});

test("windowFromChunk counts the bytes, not the characters, of each line", () => {
  expect(windowFromChunk(chunk("aé\nb\n", 10)).starts).toEqual([10, 14]);
});

test("appendChunk joins the next chunk, and replaces the window by another one", () => {
  const first = windowFromChunk(chunk("a\nb\n", 0));
  expect(appendChunk(first, chunk("c\n", 4)).lines).toEqual(["a", "b", "c"]);
  expect(appendChunk(first, chunk("z\n", 90)).lines).toEqual(["z"]);
});

test("prependChunk joins the chunk before the window", () => {
  const last = windowFromChunk(chunk("c\n", 4));
  expect(prependChunk(last, chunk("a\nb\n", 0))).toMatchObject({ lines: ["a", "b", "c"], starts: [0, 2, 4], start: 0 });
});

test("appendChunk keeps the lines at an empty chunk, and takes over complete", () => {
  const first = windowFromChunk(chunk("a\n", 0));
  const after = appendChunk(first, chunk("", 2, 2, true));
  expect(after.lines).toBe(first.lines);
  expect(after.complete).toBe(true);
});

test("appendChunk drops lines at the beginning above the limit", () => {
  const line = `${"x".repeat(1023)}\n`;
  let window = EMPTY_WINDOW;
  for (let at = 0; at < MAX_WINDOW_BYTES * 1.5; at += 256 * 1024)
    window = appendChunk(window, chunk(line.repeat(256), at));
  expect(window.end - window.start).toBeLessThanOrEqual(MAX_WINDOW_BYTES);
  expect(window.starts[0]).toBe(window.start);
  expect(window.lines.length).toBe(window.starts.length);
});

test("prependChunk drops lines at the end above the limit", () => {
  const line = `${"x".repeat(1023)}\n`;
  const size = 256 * 1024;
  let window = windowFromChunk(chunk(line.repeat(256), 40 * size));
  for (let at = 39; at > 10; at -= 1) window = prependChunk(window, chunk(line.repeat(256), at * size));
  expect(window.start).toBe(11 * size);
  expect(window.end - window.start).toBeLessThanOrEqual(MAX_WINDOW_BYTES + 1024);
});

test("lineIndexAt finds the line of a byte", () => {
  const window = windowFromChunk(chunk("aa\nbb\ncc\n", 0));
  expect([0, 2, 3, 7, 99].map((at) => lineIndexAt(window, at))).toEqual([0, 0, 1, 2, 2]);
});

test("states of a bar replace each other in the last line, and the line's end keeps the newest one", () => {
  let window = windowFromChunk(chunk("start\n", 0));
  const shown: string[] = [];
  for (const text of ["\r1%", "\r2%\r3%", "\r4%\n", "end\n"]) {
    window = appendChunk(window, chunk(text, window.end));
    shown.push(window.lines.map(plainLine).join("|"));
  }
  expect(shown).toEqual(["start|1%", "start|3%", "start|4%", "start|4%|end"]);
  expect(window.starts).toEqual([0, 6, 19]);
});

test("a newline of its own ends the line of a bar", () => {
  let window = appendChunk(windowFromChunk(chunk("\r100%", 0)), chunk("\n", 5));
  window = appendChunk(window, chunk("next\n", 6));
  expect(window.lines.map(plainLine)).toEqual(["100%", "next"]);
});

test("prependChunk joins the two parts of a redrawn line, and of a long one", () => {
  const bar = prependChunk(windowFromChunk(chunk("\r3%\nend\n", 20)), chunk("start\n\r1%\r2%", 8));
  expect(bar.lines.map(plainLine)).toEqual(["start", "3%", "end"]);
  expect(bar.starts).toEqual([8, 14, 24]);
  const long = prependChunk(windowFromChunk(chunk("yy\n", 4)), chunk("xx", 2));
  expect(long.lines).toEqual(["xxyy"]);
});

test("lines of Windows end with their text", () => {
  expect(windowFromChunk(chunk("a\r\nb\r\n", 0))).toMatchObject({ lines: ["a", "b"], starts: [0, 3] });
});

test("a redrawn line of more bytes than the limit stays in its newest state, and lines before it are dropped", () => {
  const states = "\r50%".repeat(64 * 1024);
  let window = windowFromChunk(chunk("before\n", 0));
  while (window.end < MAX_WINDOW_BYTES * 1.5) window = appendChunk(window, chunk(states, window.end));
  expect(window.lines).toEqual(["\r50%"]);
  expect(window.starts).toEqual([7]);
  expect(window.start).toBe(7);
});
