/** The HTTP client of the plugin's API. All pages use it; the browser sends no request to the service itself. */

import { airflowRoot } from "../shared/links";
import { escapeControlCharacters, escapeTexts } from "../shared/plainText";

/** Airflow's server did not answer at all; the message is a sentence for the user. */
export class NoAnswerError extends Error {}

/** Airflow's server refused a request; the message is a sentence for the user. */
export class ResponseError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** The URL of a path of the plugin's API. */
export function apiUrl(path: string, query: Record<string, string>): string {
  return `${airflowRoot(window.location.pathname)}/dlaas/api/${path}?${new URLSearchParams(query)}`;
}

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

/**
 * Send *body* as JSON, and ignore the content of the response. Rejects with an error whose message is a sentence for the
 * user.
 */
export async function sendJson(
  method: "POST" | "PUT",
  path: string,
  query: Record<string, string>,
  body: object,
): Promise<void> {
  const headers = { "Content-Type": "application/json" };
  await request(path, query, { method, headers, body: JSON.stringify(body) });
}

async function requestJson<T>(path: string, query: Record<string, string>, options: RequestInit): Promise<T> {
  return (await (await request(path, query, options)).json()) as T;
}

async function request(path: string, query: Record<string, string>, options: RequestInit): Promise<Response> {
  const response = await fetch(apiUrl(path, query), options).catch((error: unknown) => {
    if (error instanceof TypeError) throw new NoAnswerError("Airflow does not answer.", { cause: error });
    throw error;
  });
  if (!response.ok) throw new ResponseError(response.status, errorDetail(response.status, await response.text()));
  return response;
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
