/** What the list pages need of the page around them: answers of the plugin, words for values, the theme's colours. */

import type { JSX } from "preact";

import type { State } from "../api";
import { zone } from "../core/theme";
import { airflowRoot } from "./links";

/** Ask the plugin. What goes wrong is said in a sentence, as the error's message. */
export async function get<T>(path: string, query: Record<string, string>, signal: AbortSignal): Promise<T> {
  const url = `${airflowRoot(window.location.pathname)}/dlaas/api/${path}?${new URLSearchParams(query)}`;
  const reply = await fetch(url, { signal }).catch((error: unknown) => {
    if (error instanceof TypeError) throw new Error("Airflow can't be reached; trying again.", { cause: error });
    throw error;
  });
  if (!reply.ok) throw new Error(await refusal(reply));
  return (await reply.json()) as T;
}

async function refusal(reply: Response): Promise<string> {
  const body = await reply.text();
  try {
    return (JSON.parse(body) as { detail: string }).detail;
  } catch (error) {
    if (error instanceof SyntaxError) return `Airflow answered ${reply.status}.`; // a proxy's page
    throw error;
  }
}

export const formatNumber = (value: number): string => String(Number(value.toPrecision(4)));

/** *duration* in milliseconds. */
export function formatDuration(duration: number): string {
  const seconds = Math.round(duration / 1000);
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}

const moments = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short", timeZone: zone() });

/** In the zone that Airflow shows times in. */
export const formatTime = (at: string | null): string => (at === null ? "–" : moments.format(Date.parse(at)));

const ICONS: Record<State, string> = { pending: "◌", running: "▶", completed: "✓", error: "✕", canceled: "⊘" };

/** What stands in place of a state where there is none. */
export const unsaid = (id: string | null): string => (id === null ? "not submitted" : "not heard of now");

export function StateMark({ state, id }: { state: State | null; id: string | null }): JSX.Element {
  return (
    <span class={`state state-${state ?? "none"}`}>
      <span aria-hidden="true">{state === null ? "◌" : ICONS[state]}</span> {state ?? unsaid(id)}
    </span>
  );
}

/** A colour of the theme, for what is drawn on a canvas. */
export function ink(name: "text" | "line"): string {
  const property = name === "text" ? "--muted" : "--border";
  return getComputedStyle(document.documentElement).getPropertyValue(property).trim() || "#888";
}

/** Each stands out by 3:1 from the panels of both themes, which a test works out. */
export const COLOURS = ["#4a72d8", "#c2700a", "#dc4a40", "#2f8f46", "#1f8a86", "#9a63e0", "#d0508f", "#a06f50"];

export const colourOf = (slot: number): string => COLOURS[slot % COLOURS.length] ?? "#888";
