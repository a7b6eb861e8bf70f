/**
 * Light or dark as Airflow's UI has it, and the zone it shows times in.
 *
 * The pages are frames of the same origin: the frame around them says by a class which theme is on, and local storage
 * has the zone. Opened alone, the system's preference counts.
 */

export type Theme = "light" | "dark";

/** The theme that a root element with these classes has; null where they say nothing. */
export function themeOf(classes: string): Theme | null {
  const words = classes.split(/\s+/);
  return words.includes("dark") ? "dark" : words.includes("light") ? "light" : null;
}

/** The zone out of what Airflow keeps in local storage; undefined where that names none that the browser knows. */
export function zoneOf(stored: string | null): string | undefined {
  const named = (stored ?? "").replace(/^"|"$/g, "");
  try {
    return named === "" ? undefined : new Intl.DateTimeFormat("en", { timeZone: named }).resolvedOptions().timeZone;
  } catch {
    return undefined;
  }
}

function outerRoot(): HTMLElement | null {
  try {
    return window.parent === window ? null : window.parent.document.documentElement;
  } catch {
    return null; // another origin: somebody else's page shows us
  }
}

/** Follow the theme from now on: the root element's `data-theme` tells it to the style sheet. */
export function followTheme(): void {
  const outer = outerRoot();
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const apply = (): void => {
    const theme = (outer && themeOf(outer.className)) ?? (system.matches ? "dark" : "light");
    if (document.documentElement.dataset["theme"] !== theme) {
      document.documentElement.dataset["theme"] = theme;
      window.dispatchEvent(new Event("dlaas-theme"));
    }
  };
  if (outer) new MutationObserver(apply).observe(outer, { attributes: true, attributeFilter: ["class"] });
  system.addEventListener("change", apply);
  apply();
}

/** The zone Airflow shows times in, by the name it is kept under there. */
export function zone(): string | undefined {
  try {
    return zoneOf(window.localStorage.getItem("timezone"));
  } catch {
    return undefined;
  }
}
