"""Names of containers, folders and objects: the refused ones, and the parameter in the message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dlaas.contract.store_names import (
    path_problem,
    require_container_name,
    require_list_prefix,
    require_new_object_name,
    require_object_name,
    require_prefix,
)
from airflow_dlaas.exceptions import InvalidArgument, InvalidName, StoreError

NOT_TEXTS: list[Any] = [None, 0, 1, True, b"c", ["c"], {"c": 1}, object()]

BAD_CONTAINERS = [*NOT_TEXTS, "", ".", "..", "a/b", "/", "/a", "x" * 257, "ü" * 129, "\udcff"]
BAD_CONTAINERS += ["a\nb", "a\0", "a\x7f", "a "]
BAD_PREFIXES = [*NOT_TEXTS, "/x", "/", "..", "../x", "a/..", "a//b", "a//", ".", "./a", "\udcff", "x" * 1025]
BAD_PREFIXES += ["a ", " a", "a\n", "a/" + "x" * 256]
BAD_NAMES = [*NOT_TEXTS, "", "\udcff", "x/" * 513, "a\0", "..", "../other/x", "a/./b"]
BAD_NEW_NAMES = [*BAD_NAMES, "/x", "/", "a//b", "x" * 256]


@pytest.mark.parametrize(
    ("require", "value"),
    [
        *((require_container_name, one) for one in BAD_CONTAINERS),
        *((require_prefix, one) for one in BAD_PREFIXES),
        *((require_object_name, one) for one in BAD_NAMES),
        *((require_new_object_name, one) for one in BAD_NEW_NAMES),
        *((require_list_prefix, one) for one in (*NOT_TEXTS, "\udcff", "x" * 1025, "a\0")),
    ],
)
def test_invalid_name_is_refused_and_the_message_begins_with_the_parameter(
    require: Callable[..., str], value: Any
) -> None:
    with pytest.raises(InvalidName, match=r"^field: ") as caught:
        require(value, "field")
    assert len(str(caught.value)) < 400


def test_invalid_name_is_a_value_error_and_a_store_error() -> None:
    """Pydantic and DAG authors catch a ValueError, transfers a StoreError."""
    assert issubclass(InvalidName, InvalidArgument)
    assert issubclass(InvalidName, StoreError)
    assert issubclass(InvalidName, ValueError)
    assert not InvalidName.transient


@pytest.mark.parametrize("value", ["c", "x" * 256, "a b", "ü", "a.b", "...", "2026", "c_segments"])
def test_container_name_is_returned_unchanged(value: str) -> None:
    assert require_container_name(value) == value


@pytest.mark.parametrize("value", ["", "day", "day/", "a/b", "...", ".hidden", "a b/c", "ü/é"])
def test_prefix_is_returned_unchanged(value: str) -> None:
    assert require_prefix(value) == value


@pytest.mark.parametrize("value", ["/x", "a//b", "a/", "x" * 1024, " ", "a\tb", "..."])
def test_object_name_of_another_program_is_accepted(value: str) -> None:
    """Such objects can be read and deleted."""
    assert require_object_name(value) == value


@pytest.mark.parametrize("value", ["a", "a b ", "a/.x", "a\tb", "folder/"])
def test_unusual_object_name_can_be_stored(value: str) -> None:
    assert require_new_object_name(value) == value


NAMES = st.text("a./\\ ~\t\n\0\x7fü\ud800", max_size=8)
"""Of the characters that the rules are about: all of Unicode takes hypothesis seconds to prepare, and finds less."""


@given(NAMES)
def test_prefix_with_a_file_name_can_be_stored(prefix: str) -> None:
    try:
        require_prefix(prefix)
    except InvalidName:
        return
    folder = prefix if not prefix or prefix.endswith("/") else f"{prefix}/"
    assert require_new_object_name(f"{folder}file")


@given(NAMES)
def test_path_without_a_problem_stays_below_its_folder(path: str) -> None:
    if path_problem(path) is None:
        assert not path.startswith("/")
        assert {"", ".", ".."}.isdisjoint(path.split("/"))
