"""What is sent and fetched, and what is refused before anything moves."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dlaas.errors import StoreError
from airflow_dlaas.storage.objects import StoredObject
from airflow_dlaas.storage.plan import LARGEST, Source, fetching, sending

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)


def stored(name: str, size: int = 1, md5: str | None = "m", folder: bool = False) -> StoredObject:
    return StoredObject(name, size, md5, NOW, folder)


def source(name: str, size: int = 1) -> Source:
    return Source(Path("/here") / name, name, size)


def test_what_the_store_lacks_is_sent_whatever_its_md5() -> None:
    (send,) = sending([source("a")], [stored("b")])
    assert (send.source.name, send.unless) == ("a", None)


def test_what_has_the_same_size_is_sent_unless_its_md5_is_the_same() -> None:
    (send,) = sending([source("a", 5)], [stored("a", 5, "abc")])
    assert send.unless == "abc"


def test_what_has_another_size_is_sent_without_a_question() -> None:
    (send,) = sending([source("a", 5)], [stored("a", 6, "abc")])
    assert send.unless is None


def test_an_object_whose_md5_nobody_knows_is_sent_again() -> None:
    (send,) = sending([source("a", 5)], [stored("a", 5, None)])
    assert send.unless is None


def test_the_largest_come_first() -> None:
    sends = sending([source("a", 1), source("b", 3), source("c", 2)], [])
    assert [send.source.size for send in sends] == [3, 2, 1]
    assert [fetch.size for fetch in fetching([stored("a", 1), stored("b", 3)])] == [3, 1]


def test_two_files_of_one_name_are_refused() -> None:
    with pytest.raises(StoreError, match="would both be stored as 'a'"):
        sending([source("a"), Source(Path("/there/a"), "a", 1)], [])


def test_a_file_above_five_gib_is_refused_with_a_way_out() -> None:
    with pytest.raises(StoreError, match=r"5\.0 GiB; an object holds 5 GiB at most\. Split the file"):
        sending([source("a", LARGEST + 1)], [])
    assert sending([source("a", LARGEST)], [])


@pytest.mark.parametrize("name", ["", "x" * 1025, "ü" * 513])
def test_a_name_that_no_object_can_have_is_refused(name: str) -> None:
    with pytest.raises(StoreError, match="Shorten"):
        sending([Source(Path("/here/f"), name, 1)], [])


def test_a_file_whose_name_is_not_utf8_is_refused() -> None:
    with pytest.raises(StoreError, match="not UTF-8"):
        sending([source("a\udcff")], [])


def test_objects_are_placed_by_the_rest_of_their_name() -> None:
    (fetch,) = fetching([stored("run/model/a/b"), stored("run/modelling/c")], "run/model")
    assert (fetch.name, fetch.place) == ("run/model/a/b", PurePosixPath("a/b"))


def test_only_the_objects_named_are_fetched() -> None:
    assert [fetch.name for fetch in fetching([stored("a"), stored("b")], names=["b"])] == ["b"]


def test_objects_that_mark_folders_are_left_out() -> None:
    fetches = fetching([stored("a", 0, folder=True), stored("a/", 0, folder=True), stored("a/b")])
    assert [fetch.name for fetch in fetches] == ["a/b"]


@pytest.mark.parametrize(
    "name", ["../a", "a/../../b", "/etc/passwd", "a//b", "./a", "a/.", "..", "a/..", "a\0b", "a/", "x" * 256]
)
def test_a_name_that_leads_nowhere_below_the_destination_is_refused(name: str) -> None:
    with pytest.raises(StoreError, match="is not fetched"):
        fetching([stored("fine"), stored(name)])


def test_a_name_that_climbs_only_after_the_prefix_is_refused() -> None:
    with pytest.raises(StoreError, match="does not lead to a file below"):
        fetching([stored("run/../../x")], "run")


def test_a_file_that_would_have_to_be_a_folder_too_is_refused() -> None:
    with pytest.raises(StoreError, match=r"'a' and 'a/b/c' are both stored"):
        fetching([stored("a"), stored("a/b/c")])


@given(st.lists(st.text(max_size=20)), st.text(max_size=4))
def test_no_name_whatever_is_placed_outside(names: list[str], prefix: str) -> None:
    try:
        fetches = fetching([stored(name) for name in names], prefix)
    except StoreError:
        return
    for fetch in fetches:
        assert not fetch.place.is_absolute()
        assert ".." not in fetch.place.parts
        assert fetch.place.parts
        assert fetch.name.endswith(str(fetch.place))
