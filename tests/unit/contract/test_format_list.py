"""Lists of names in messages."""

from __future__ import annotations

import pytest

from airflow_dlaas.contract.format_list import MAX_LISTED, format_list


@pytest.mark.parametrize(
    ("items", "text"),
    [
        ([], ""),
        (["a"], "a"),
        (["a", "b"], "a, b"),
        (["a", "b", "c"], "a, b and 1 more"),
        (["a"] * 1500, "a, a and 1,498 more"),
    ],
)
def test_format_list_names_the_first_items_and_counts_the_others(items: list[str], text: str) -> None:
    assert format_list(items, limit=2) == text


def test_format_list_has_a_default_limit() -> None:
    assert format_list(["x"] * MAX_LISTED) == ", ".join(["x"] * MAX_LISTED)
    assert format_list(["x"] * (MAX_LISTED + 1)).endswith(" and 1 more")
