/** Changes of a URL's query. */

/** *query* with *values* set; an empty text removes its name. */
export function withValues(query: URLSearchParams, values: Record<string, string>): URLSearchParams {
  const written = new URLSearchParams(query);
  for (const [name, value] of Object.entries(values)) {
    if (value === "") written.delete(name);
    else written.set(name, value);
  }
  return written;
}
