/** The HTTP client of the plugin's API. All pages use it; the browser sends no request to the service itself. */

import { airflowRoot } from "../shared/links";
import { escapeControlCharacters, escapeTexts } from "../shared/plainText";

/** Airflow's server did not answer at all; the message is a sentence for the user. */
export class NoAnswerError extends Error {}

/**
 * Send a GET request. Names and errors come from programs and users: control characters in all texts of the response,
 * other than the log, are escapes.
 *
 * Rejects with an error whose message is a sentence for the user.
 */
export async function fetchJson<T>(path: string, query: Record<string, string>, signal: AbortSignal): Promise<T> {
  const response = await requestJson<T>(path, query, { signal });
  // The log stays as it is, with redraws and colours: `plainLine` shows it.
  return path === "log" ? response : escapeTexts(response);
}

/** Send *body* as JSON in a POST request. Rejects with an error whose message is a sentence for the user. */
export async function postJson<T>(path: string, query: Record<string, string>, body: object): Promise<T> {
  const headers = { "Content-Type": "application/json" };
  return requestJson<T>(path, query, { method: "POST", headers, body: JSON.stringify(body) });
}

async function requestJson<T>(path: string, query: Record<string, string>, options: RequestInit): Promise<T> {
  const url = `${airflowRoot(window.location.pathname)}/dlaas/api/${path}?${new URLSearchParams(query)}`;
  const response = await fetch(url, options).catch((error: unknown) => {
    if (error instanceof TypeError) throw new NoAnswerError("Airflow does not answer.", { cause: error });
    throw error;
  });
  if (!response.ok) throw new Error(errorDetail(response.status, await response.text()));
  return (await response.json()) as T;
}

/** The detail in an error's *body*; the status where the body has none, such as a proxy's page. */
export function errorDetail(status: number, body: string): string {
  try {
    const { detail } = (JSON.parse(body) ?? {}) as { detail?: unknown };
    if (typeof detail === "string") return escapeControlCharacters(detail);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  return `Airflow answered with status ${status}.`;
}
