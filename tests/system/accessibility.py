"""Barriers in a page, as axe-core finds them."""

from __future__ import annotations

from playwright.sync_api import Page, expect

STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]

AXE = """
async (standards) => {
  const result = await axe.run(document, { runOnly: { type: "tag", values: standards } });
  return {
    violations: result.violations.flatMap((rule) =>
      rule.nodes.map((node) => `${rule.id}: ${node.html} ${node.failureSummary}`),
    ),
    passes: result.passes.map((rule) => rule.id),
  };
}
"""


def violations_in_both_themes(page: Page, axe: str) -> dict[str, list[str]]:
    """Return the violations of `STANDARDS` in the current state of *page*, in the light and in the dark theme."""
    found = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        expect(page.locator(f"html[data-theme={scheme}]")).to_be_attached()
        found[scheme] = _violations(page, axe)
    return found


def _violations(page: Page, axe: str) -> list[str]:
    page.evaluate(axe)
    result = page.evaluate(AXE, STANDARDS)
    assert "color-contrast" in result["passes"]
    return list(result["violations"])
