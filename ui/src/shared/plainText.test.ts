import { expect, test } from "vitest";

import { escapeControlCharacters, escapeTexts, newestState, plainLine } from "./plainText";

test.each([
  ["digits", "digits"],
  ["a\x1b[2Jb", "a\\x1b[2Jb"],
  ["\x1b]0;title\x07", "\\x1b]0;title\\x07"],
  ["a\rb", "a\\rb"],
  ["abc\u202etxt.exe\u2028", "abc\\u202etxt.exe\\u2028"],
  ["\x9b31m\x00\x7f", "\\x9b31m\\x00\\x7f"],
  ["tab\tand\nline", "tab\tand\nline"],
  ["Größe 4 µ", "Größe 4 µ"],
])("escapeControlCharacters shows %j as %j", (text, shown) => expect(escapeControlCharacters(text)).toBe(shown));

test.each([
  ["10%\r20%\r30%", "30%"],
  ["\r10%\r20%", "20%"],
  ["done\r", "done"],
  ["90%\r100%\r", "100%"],
  ["\x1b[32mok\x1b[0m", "ok"],
  ["\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"],
  ["\x1b[A\x1b[2K 10%|#| 1/10\r 20%|##| 2/10", " 20%|##| 2/10"],
  ["bell\x07", "bell\\x07"],
  ["alone \x1b", "alone \\x1b"],
  ["1/9 [=>.]\b\b\b\r2/9 [==>]\b\b\b", "2/9 [==>]"],
  ["back\b", "back\\x08"],
  ["", ""],
])("plainLine shows %j as %j", (line, shown) => expect(plainLine(line)).toBe(shown));

test.each([
  ["plain", "plain"],
  ["windows\r", "windows"],
  ["10%\r20%", "\r20%"],
  ["\x1b[32m10%\r\x1b[31m20%\r\x1b[K", "\r\x1b[31m20%"],
  ["\r", ""],
])("newestState of %j is %j", (line, state) => expect(newestState(line)).toBe(state));

test("escapeTexts escapes the texts of a document at any depth, and leaves its other values", () => {
  const response = { name: "a\x1b[2J", tags: ["b\x07", "c"], count: 3, none: null, ["d\x00"]: { ok: true } };
  expect(escapeTexts(response)).toEqual({
    name: "a\\x1b[2J",
    tags: ["b\\x07", "c"],
    count: 3,
    none: null,
    "d\\x00": { ok: true },
  });
});
