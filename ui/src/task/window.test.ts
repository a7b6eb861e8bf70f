import { expect, test } from "vitest";

import { appended, EMPTY, lineAt, MOST, opened, prepended, shown } from "./window";

const piece = (text: string, start: number, size = start + text.length, complete = false) => ({
  text,
  start,
  end: start + new TextEncoder().encode(text).length,
  size,
  complete,
});

test("lines know the byte they start at, whatever is in them", () => {
  expect(opened(piece("aé\nb\n", 10)).starts).toEqual([10, 14]);
});

test("a piece that follows is joined, one from elsewhere takes the window's place", () => {
  const first = opened(piece("a\nb\n", 0));
  expect(appended(first, piece("c\n", 4)).lines).toEqual(["a", "b", "c"]);
  expect(appended(first, piece("z\n", 90)).lines).toEqual(["z"]);
});

test("a piece before is joined in front", () => {
  const last = opened(piece("c\n", 4));
  expect(prepended(last, piece("a\nb\n", 0))).toMatchObject({ lines: ["a", "b", "c"], starts: [0, 2, 4], start: 0 });
});

test("nothing new keeps the lines, and tells that the log has ended", () => {
  const first = opened(piece("a\n", 0));
  const after = appended(first, piece("", 2, 2, true));
  expect(after.lines).toBe(first.lines);
  expect(after.complete).toBe(true);
});

test("no more is held than the limit: growing at the end lets go of the beginning", () => {
  const line = `${"x".repeat(1023)}\n`;
  let window = EMPTY;
  for (let at = 0; at < MOST * 1.5; at += 256 * 1024) window = appended(window, piece(line.repeat(256), at));
  expect(window.end - window.start).toBeLessThanOrEqual(MOST);
  expect(window.starts[0]).toBe(window.start);
  expect(window.lines.length).toBe(window.starts.length);
});

test("growing at the front lets go of the end", () => {
  const line = `${"x".repeat(1023)}\n`;
  const size = 256 * 1024;
  let window = opened(piece(line.repeat(256), 40 * size));
  for (let at = 39; at > 10; at -= 1) window = prepended(window, piece(line.repeat(256), at * size));
  expect(window.start).toBe(11 * size);
  expect(window.end - window.start).toBeLessThanOrEqual(MOST + 1024);
});

test("a byte is found in its line", () => {
  const window = opened(piece("aa\nbb\ncc\n", 0));
  expect([0, 2, 3, 7, 99].map((at) => lineAt(window, at))).toEqual([0, 0, 1, 2, 2]);
});

test("of colours and redrawn bars only the last drawing is shown", () => {
  expect(shown("\x1b[31mred\x1b[0m")).toBe("red");
  expect(shown("10%\r50%\r100%")).toBe("100%");
});
