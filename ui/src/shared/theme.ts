/**
 * The theme and the time zone of Airflow's UI.
 *
 * The pages are frames of the same origin: a class of Airflow's root element names the theme, and local storage has the
 * time zone. Without Airflow around it, a page uses the system's theme.
 */

export type Theme = "light" | "dark";

/** The theme that the classes of a root element name; null where they name none. */
export function parseTheme(classes: string): Theme | null {
  const names = classes.split(/\s+/);
  return names.includes("dark") ? "dark" : names.includes("light") ? "light" : null;
}

/** The time zone in Airflow's entry in local storage; undefined where the browser does not know it. */
export function parseTimeZone(stored: string | null): string | undefined {
  const name = (stored ?? "").replace(/^"|"$/g, "");
  try {
    return name === "" ? undefined : new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone;
  } catch {
    return undefined;
  }
}

function airflowRootElement(): HTMLElement | null {
  try {
    return window.parent === window ? null : window.parent.document.documentElement;
  } catch {
    return null; // the page around this one has another origin
  }
}

/** The colour that Airflow's page has behind this frame; null where there is no such page, or it sets none. */
function airflowBackground(): string | null {
  for (let element = window.frameElement; element !== null; element = element.parentElement) {
    const colour = getComputedStyle(element).backgroundColor;
    if (colour !== "" && !isTransparent(colour)) return colour;
  }
  return null;
}

/** Whether a computed colour is the one of an element without a background. */
export const isTransparent = (colour: string): boolean => /^transparent$|^rgba\(.*, 0\)$|\/ 0\)$/.test(colour);

/**
 * Keep the root element's `data-theme`, which the style sheet uses, equal to the theme from now on, and the page's
 * background equal to Airflow's.
 */
export function followTheme(): void {
  const outer = airflowRootElement();
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const apply = (): void => {
    const outerTheme = outer && parseTheme(outer.className);
    const theme = outerTheme ?? (system.matches ? "dark" : "light");
    const root = document.documentElement;
    const background = outerTheme && airflowBackground();
    if (background) root.style.setProperty("--page", background);
    else root.style.removeProperty("--page");
    if (root.dataset["theme"] !== theme) {
      root.dataset["theme"] = theme;
      window.dispatchEvent(new Event("dlaas-theme"));
    }
  };
  if (outer) new MutationObserver(apply).observe(outer, { attributes: true, attributeFilter: ["class"] });
  system.addEventListener("change", apply);
  apply();
}

/** The time zone in which Airflow's UI shows times; undefined for the browser's own. */
export function airflowTimeZone(): string | undefined {
  try {
    return parseTimeZone(window.localStorage.getItem("timezone"));
  } catch {
    return undefined;
  }
}
