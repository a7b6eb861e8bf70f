"""How an error message or a log message lists names."""

from __future__ import annotations

from collections.abc import Sequence

MAX_LISTED = 5
"""Items that a message lists."""


def format_list(items: Sequence[str], limit: int = MAX_LISTED) -> str:
    """Join *items* with commas; of more than *limit*, list the first ones and count the others: "a, b and 3 more"."""
    others = f" and {len(items) - limit:,} more" if len(items) > limit else ""
    return f"{', '.join(items[:limit])}{others}"
