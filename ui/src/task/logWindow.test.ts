import { expect, test } from "vitest";

import {
  appendChunk,
  EMPTY_WINDOW,
  lineIndexAt,
  MAX_WINDOW_BYTES,
  windowFromChunk,
  prependChunk,
  displayText,
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

test("displayText removes colours, and text before the last carriage return", () => {
  expect(displayText("\x1b[31mred\x1b[0m")).toBe("red");
  expect(displayText("10%\r50%\r100%")).toBe("100%");
});
