"""Values in error messages."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_dlaas.contract.format_value import MAX_VALUE_LENGTH, format_value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a/b", "'a/b'"),
        ("a\nb", r"'a\nb'"),
        ("5", "'5'"),
        (5, "5"),
        (0.5, "0.5"),
        (True, "True"),
        (None, "None"),
        (timedelta(seconds=90), "0:01:30"),
        ({"password": "s3cret"}, "a dict"),
        (["s3cret"], "a list"),
        (b"s3cret", "a bytes"),
    ],
)
def test_format_value_shows_texts_and_numbers_and_the_type_of_others(value: object, text: str) -> None:
    assert format_value(value) == text


def test_format_value_shortens_a_long_text() -> None:
    assert format_value("x" * 1000) == "'" + "x" * (MAX_VALUE_LENGTH - 1) + "…"
