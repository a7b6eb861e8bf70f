/** The settings of a page: its filters, metric and order. They are in its URL, so that a link shows the same. */

import { useCallback, useRef, useState } from "preact/hooks";

import { readQuery, replaceQuery } from "../shared/airflowNavigation";

export interface Settings {
  query: URLSearchParams;
  /** Replace the settings by those that *change* returns; it receives the current query. */
  change: (change: (query: URLSearchParams) => URLSearchParams) => void;
}

/** *initial* is the query of the page's URL. */
export function useSettings(initial: URLSearchParams): Settings {
  const [query, setQuery] = useState(() => readQuery(initial));
  const latest = useRef(query);
  const change = useCallback((change: (query: URLSearchParams) => URLSearchParams) => {
    latest.current = change(latest.current);
    setQuery(latest.current);
    replaceQuery(latest.current);
  }, []);
  return { query, change };
}
