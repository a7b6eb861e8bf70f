/**
 * Text that a program wrote for a terminal, made plain; the same rules as `airflow_dlaas/_util/terminal_text.py`, which
 * the console and the task's log use.
 */

/** The escape sequences of ECMA-48 that programs print: colours and movements, titles and links, character sets. */
const ESCAPE_SEQUENCE = /\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b\n]{0,1000}(?:\x07|\x1b\\)|\x1b[()][0-9A-Za-z]/g;

/** Control characters other than tab and newline, and those that change the direction of the text. */
const CONTROL_CHARACTER = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/g;

/** *text* with each control character as its escape, such as `\x1b`; tab and newline stay. */
export function escapeControlCharacters(text: string): string {
  return text.replace(CONTROL_CHARACTER, (character) => {
    if (character === "\r") return "\\r";
    const code = character.charCodeAt(0);
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}

/** *line* of a log as a person reads it: its newest state, without colours, control characters as escapes. */
export function plainLine(line: string): string {
  const states = line.replace(ESCAPE_SEQUENCE, "").split("\r");
  const newest = states.findLast((state) => state.replaceAll("\b", "") !== "") ?? "";
  return escapeControlCharacters(states.length > 1 ? newest.replace(/\x08+$/, "") : newest);
}

/**
 * *line* without the states before its newest one; a line that is not redrawn is returned as it is.
 *
 * That of a redrawn line begins with a carriage return, so that it replaces what is before it when both are joined.
 */
export function newestState(line: string): string {
  const text = line.replace(/\r+$/, "");
  if (!text.includes("\r")) return text;
  const newest = text.split("\r").findLast((state) => plainLine(`\r${state}`) !== "");
  return `\r${newest ?? ""}`;
}

/** *value*, a JSON document, with all control characters in its texts as escapes. */
export function escapeTexts<T>(value: T): T {
  if (typeof value === "string") return escapeControlCharacters(value) as T;
  if (Array.isArray(value)) return value.map(escapeTexts) as T;
  if (value === null || typeof value !== "object") return value;
  const escaped = Object.entries(value).map(([key, one]) => [escapeControlCharacters(key), escapeTexts(one)]);
  return Object.fromEntries(escaped) as T;
}
