/**
 * Leaving our frame for Airflow's own pages.
 *
 * Airflow sandboxes the frame without `allow-top-navigation` and `allow-popups`, so no link leads out of it. The frame is
 * same-origin, though: a link that belongs to Airflow's own document may be followed.
 */

import { outerAddress } from "./links";

/** Airflow's window, or null where we are not in a frame of our own origin. */
function outside(): Window | null {
  if (window.parent === window) return null;
  try {
    return window.parent.document.body ? window.parent : null;
  } catch (error) {
    if (error instanceof DOMException) return null; // another origin's
    throw error;
  }
}

/** Follow *href* in Airflow's window; false where the link can do that by itself. */
function follow(href: string, apart: boolean): boolean {
  const outer = outside();
  if (outer === null) return false;
  const link = outer.document.createElement("a");
  link.href = href;
  if (apart) [link.target, link.rel] = ["_blank", "noopener"];
  outer.document.body.append(link);
  link.click();
  link.remove();
  return true;
}

/** For an `<a href>` out of our frame: `onClick`, and `onAuxClick` for the middle button. */
export function leave(event: MouseEvent): void {
  const link = event.currentTarget;
  if (!(link instanceof HTMLAnchorElement) || event.button > 1) return;
  const apart = link.target === "_blank" || event.button === 1 || event.ctrlKey || event.metaKey || event.shiftKey;
  if (follow(link.href, apart)) event.preventDefault();
}

/** Go to *href*, a page of Airflow, in its window. */
export function go(href: string): void {
  if (!follow(href, false)) window.location.assign(href);
}

/** Put *query* into our address, and into Airflow's around us, without a new entry in the history. */
export function rewriteQuery(query: URLSearchParams): void {
  const search = query.size > 0 ? `?${query}` : "";
  const own = window.location.pathname + search;
  window.history.replaceState(window.history.state, "", own);
  const outer = outside();
  const address = outer && outerAddress(outer.location.pathname, own);
  if (outer && address) outer.history.replaceState(outer.history.state, "", address); // its router's state stays
}
