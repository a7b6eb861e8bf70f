/**
 * Navigation from this frame to Airflow's own pages.
 *
 * Airflow sandboxes the frame without `allow-top-navigation` and `allow-popups`, so a link in this document can't leave
 * it. The frame has the same origin as Airflow: a link in Airflow's own document can be clicked from here.
 */

import { airflowAddress } from "./links";

/** Airflow's window; null where this page is not in a frame, or in one of another origin. */
function airflowWindow(): Window | null {
  if (window.parent === window) return null;
  try {
    return window.parent.document.body ? window.parent : null;
  } catch (error) {
    if (error instanceof DOMException) return null; // of another origin
    throw error;
  }
}

/** Open *href* in Airflow's window; false where there is none and the link works by itself. */
function followLink(href: string, newTab: boolean): boolean {
  const airflow = airflowWindow();
  if (airflow === null) return false;
  const link = airflow.document.createElement("a");
  link.href = href;
  if (newTab) [link.target, link.rel] = ["_blank", "noopener"];
  airflow.document.body.append(link);
  link.click();
  link.remove();
  return true;
}

/** Handler of `onClick` and `onAuxClick` (middle button) for an `<a href>` out of this frame. */
export function onAirflowLinkClick(event: MouseEvent): void {
  const link = event.currentTarget;
  if (!(link instanceof HTMLAnchorElement) || event.button > 1) return;
  const newTab = link.target === "_blank" || event.button === 1 || event.ctrlKey || event.metaKey || event.shiftKey;
  if (followLink(link.href, newTab)) event.preventDefault();
}

/** Open *href*, a page of Airflow, in Airflow's window. */
export function openAirflowPage(href: string): void {
  if (!followLink(href, false)) window.location.assign(href);
}

/** Replace the query of this page's URL, and of Airflow's URL, without a new entry in the browser's history. */
export function replaceQuery(query: URLSearchParams): void {
  const search = query.size > 0 ? `?${query}` : "";
  const own = window.location.pathname + search;
  window.history.replaceState(window.history.state, "", own);
  const airflow = airflowWindow();
  const address = airflow && airflowAddress(airflow.location.pathname, own);
  if (airflow && address) airflow.history.replaceState(airflow.history.state, "", address); // with the state of Airflow's router
}
