/**
 * Navigation from this frame to Airflow's own pages.
 *
 * Airflow sandboxes the frame without `allow-top-navigation` and `allow-popups`, so a link in this document can't leave
 * it. The frame has the same origin as Airflow: a link in Airflow's own document can be clicked from here.
 */

import { airflowAddress, withFragment } from "./links";

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
function followLink(href: string, newTab: boolean, download: string | null = null): boolean {
  const airflow = airflowWindow();
  if (airflow === null) return false;
  const link = airflow.document.createElement("a");
  link.href = href;
  if (newTab) [link.target, link.rel] = ["_blank", "noopener"];
  if (download !== null) link.download = download;
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

/** Handler of `onClick` for an `<a href download>`: Airflow up to 3.2 does not allow downloads in the frame. */
export function onDownloadClick(event: MouseEvent): void {
  const link = event.currentTarget;
  if (!(link instanceof HTMLAnchorElement) || event.button > 0) return;
  if (followLink(link.href, false, link.download)) event.preventDefault();
}

/** Open *href*, a page of Airflow, in Airflow's window. */
export function openAirflowPage(href: string): void {
  if (!followLink(href, false)) window.location.assign(href);
}

/** The query of this page, with the settings that Airflow's URL has for a page in a tab. */
export function readQuery(query: URLSearchParams): URLSearchParams {
  return withFragment(query, airflowWindow()?.location.hash ?? "");
}

/** The address that shows this page again: that of Airflow, or this page's own where it is in no frame. */
export function permanentLink(): string {
  return (airflowWindow() ?? window).location.href;
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

/** Whether Airflow shows this page in a frame. */
export const isFramed = (): boolean => airflowWindow() !== null;

/** A parameter in the query of Airflow's URL, or of this page's own where there is no Airflow around it. */
export function addressParameter(name: string): string | null {
  return new URLSearchParams((airflowWindow() ?? window).location.search).get(name);
}

/** Set a parameter where `addressParameter` reads it, or remove it, without a new entry in the browser's history. */
export function setAddressParameter(name: string, value: string | null): void {
  const { location, history } = airflowWindow() ?? window;
  const query = new URLSearchParams(location.search);
  if (query.get(name) === value) return;
  if (value === null) query.delete(name);
  else query.set(name, value);
  history.replaceState(history.state, "", location.pathname + (query.size > 0 ? `?${query}` : "") + location.hash);
}

/** The URL of this page without Airflow around it, with the parameter *name* of Airflow's URL. */
export function standaloneUrl(name: string): string {
  const url = new URL(window.location.href);
  const value = addressParameter(name);
  if (value !== null) url.searchParams.set(name, value);
  return url.href;
}

/** Pixels of this frame's width that Airflow's window shows; null where this page is in no frame. */
export function visibleFrameWidth(): number | null {
  const airflow = airflowWindow();
  const frame = airflow === null ? null : window.frameElement;
  if (airflow === null || frame === null) return null;
  const { left, right } = frame.getBoundingClientRect();
  return Math.max(0, Math.min(right, airflow.innerWidth) - Math.max(left, 0));
}

/** Call *onResize* whenever the size of this page, or of Airflow's window, changes; return a function that ends that. */
export function onWindowResize(onResize: () => void): () => void {
  const windows = [window, airflowWindow()].filter((one) => one !== null);
  for (const one of windows) one.addEventListener("resize", onResize);
  return () => windows.forEach((one) => one.removeEventListener("resize", onResize));
}
