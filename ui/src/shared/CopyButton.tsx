/** A button that copies a text. */

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";

/** Milliseconds for which the button reports the result. */
const REPORT_TIME = 2_000;

interface Props {
  /** The text, or a function that returns it at the click. */
  text: string | (() => string);
  /** The visible text, and what the button copies: "Copy id of the training". */
  label: string;
  /** The visible text or icon. */
  children: ComponentChildren;
}

export function CopyButton({ text, label, children }: Props): JSX.Element {
  const [report, setReport] = useState("");
  useEffect(() => {
    if (report === "") return;
    const timer = setTimeout(() => setReport(""), REPORT_TIME);
    return () => clearTimeout(timer);
  }, [report]);
  const copy = async (): Promise<void> => {
    const isCopied = await copyText(typeof text === "string" ? text : text());
    setReport(isCopied ? "copied" : "the browser refused to copy");
  };
  return (
    <span class="copy">
      <button type="button" class="small" aria-label={label} title={label} onClick={() => void copy()}>
        {children}
      </button>{" "}
      <span role="status">{report}</span>
    </span>
  );
}

/** Copy *text*; return whether that succeeded. */
async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text); // without TLS a browser has no `clipboard`, or the user refused its use
  }
}

function copyBySelection(text: string): boolean {
  const focused = document.activeElement;
  const area = document.createElement("textarea");
  area.value = text;
  area.style.position = "fixed";
  document.body.append(area);
  area.select();
  try {
    return document.execCommand("copy");
  } finally {
    area.remove();
    if (focused instanceof HTMLElement) focused.focus();
  }
}
