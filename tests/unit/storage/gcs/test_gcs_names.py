"""Targets of requests, and the names of parts."""

from __future__ import annotations

import pytest

from airflow_dlaas.exceptions import InvalidName
from airflow_dlaas.storage.gcs import targets
from airflow_dlaas.storage.gcs.part_names import PartNames, is_part, part_owner, require_part_names


def test_slashes_and_marks_in_a_name_are_quoted() -> None:
    assert targets.stored_object("b", "a/b?c#d&ö") == "/storage/v1/b/b/o/a%2Fb%3Fc%23d%26%C3%B6"
    assert targets.rewrite("b", "a/b", "c", "d/e").startswith("/storage/v1/b/b/o/a%2Fb/rewriteTo/b/c/o/d%2Fe?")


def test_content_of_one_generation_has_a_condition() -> None:
    assert targets.media("b", "a", "17") == "/storage/v1/b/b/o/a?alt=media&ifGenerationMatch=17"
    assert targets.media("b", "a") == "/storage/v1/b/b/o/a?alt=media"


def test_a_part_belongs_to_its_object() -> None:
    names = PartNames("a/b", 7, 3, "0" * 16)
    assert is_part(names.part(1))
    assert names.part(1).startswith(names.prefix)
    assert part_owner(names.part(1)) == part_owner(names.joined(1, 0)) == "a/b"
    assert part_owner("a/b") is None


def test_only_parts_of_the_same_sizes_can_be_used_again() -> None:
    names, later = PartNames("a/b", 7, 3, "0" * 16), PartNames("a/b", 7, 3, "1" * 16)
    assert later.part_number(names.part(2)) == 2
    assert PartNames("a/b", 8, 3, "1" * 16).part_number(names.part(2)) is None
    assert PartNames("a/b", 7, 4, "1" * 16).part_number(names.part(2)) is None
    assert PartNames("b", 7, 3, "1" * 16).part_number(names.part(2)) is None
    assert later.part_number(names.joined(1, 0)) is None
    assert later.part_number("a/b") is None


def test_a_name_that_leaves_no_room_for_parts_is_refused() -> None:
    require_part_names("a" * 900, 7, 3)
    with pytest.raises(InvalidName, match="shorten"):
        require_part_names("a" * 1000, 7, 3)
