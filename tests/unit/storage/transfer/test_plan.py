"""What is sent and fetched, and what is refused before anything moves."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dlaas.exceptions import InvalidName, StoreError
from airflow_dlaas.storage.object_store import StoredObject, StoreLimits
from airflow_dlaas.storage.segments import DEFAULT_SEGMENT_SIZE
from airflow_dlaas.storage.sources.local import LocalFile, Source
from airflow_dlaas.storage.transfer.plan import (
    MAX_REMOTE_BUFFER,
    planned_deletions,
    planned_downloads,
    planned_uploads,
    require_valid_names,
    require_valid_segment_names,
)
from tests.memory_store import FarFile

LIMITS = StoreLimits(max_segments=1000)

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)


def stored(name: str, size: int = 1, md5: str | None = "m", folder: bool = False) -> StoredObject:
    return StoredObject(name, size, md5, NOW, folder)


def source(name: str, size: int = 1, folder: str = "/here") -> Source:
    return Source(name, LocalFile(f"{folder}/{name}", size, 1, (1, 1)))


def test_what_the_store_lacks_is_sent_whatever_it_holds() -> None:
    (send,) = planned_uploads([source("a")], [stored("b")], LIMITS)
    assert (send.source.name, send.stored, send.has_same_size) == ("a", None, False)


def test_what_has_the_same_size_has_to_be_compared() -> None:
    (send,) = planned_uploads([source("a", 5)], [stored("a", 5, "abc")], LIMITS)
    assert send.has_same_size


def test_what_has_another_size_is_sent_without_a_question() -> None:
    (send,) = planned_uploads([source("a", 5)], [stored("a", 6, "abc")], LIMITS)
    assert not send.has_same_size


def test_files_of_more_than_two_segments_are_cut() -> None:
    sends = planned_uploads(
        [source("a", 2 * DEFAULT_SEGMENT_SIZE), source("b", 2 * DEFAULT_SEGMENT_SIZE + 1)], [], LIMITS
    )
    assert {send.source.name: send.segment_size for send in sends} == {"a": 0, "b": DEFAULT_SEGMENT_SIZE}


def test_a_file_elsewhere_that_is_not_held_in_memory_is_cut() -> None:
    far = [Source("a", FarFile(b"x" * MAX_REMOTE_BUFFER)), Source("b", FarFile(b"x" * (MAX_REMOTE_BUFFER + 1)))]
    assert {send.source.name: send.segment_size for send in planned_uploads(far, [], LIMITS)} == {
        "a": 0,
        "b": DEFAULT_SEGMENT_SIZE,
    }
    assert {send.segment_size for send in planned_uploads(far, [], StoreLimits())} == {0}


def test_the_largest_come_first() -> None:
    sends = planned_uploads([source("a", 1), source("b", 3), source("c", 2)], [], LIMITS)
    assert [send.source.size for send in sends] == [3, 2, 1]
    assert [fetch.size for fetch in planned_downloads([stored("a", 1), stored("b", 3)])] == [3, 1]


def test_two_files_of_one_name_are_refused() -> None:
    with pytest.raises(StoreError, match="would both be stored as 'a'"):
        planned_uploads([source("a"), source("a", folder="/there")], [], LIMITS)


@pytest.mark.parametrize(("limits", "largest"), [(StoreLimits(), 5), (LIMITS, 5000)])
def test_a_file_above_what_the_store_takes_is_refused_with_a_way_out(limits: StoreLimits, largest: int) -> None:
    with pytest.raises(StoreError, match=rf"takes {largest} GiB at most\. Split the file"):
        planned_uploads([source("a", largest * 1024**3 + 1)], [], limits)
    assert planned_uploads([source("a", largest * 1024**3)], [], limits)


@pytest.mark.parametrize("name", ["", "x" * 1025, "ü" * 513])
def test_a_name_that_no_object_can_have_is_refused(name: str) -> None:
    with pytest.raises(InvalidName, match=r"'/here/f' cannot be stored\. name: "):
        require_valid_names([Source(name, LocalFile("/here/f", 1, 1, (1, 1)))])


def test_a_file_whose_name_is_not_utf8_is_refused() -> None:
    with pytest.raises(InvalidName, match="not UTF-8"):
        require_valid_names([source("a\udcff")])


def test_objects_are_placed_by_the_rest_of_their_name() -> None:
    (fetch,) = planned_downloads([stored("run/model/a/b"), stored("run/modelling/c")], "run/model")
    assert (fetch.stored.name, fetch.relative_path) == ("run/model/a/b", PurePosixPath("a/b"))


def test_only_the_objects_named_are_fetched() -> None:
    assert [fetch.stored.name for fetch in planned_downloads([stored("a"), stored("b")], names=["b"])] == ["b"]


def test_objects_that_mark_folders_are_left_out() -> None:
    fetches = planned_downloads([stored("a", 0, folder=True), stored("a/", 0, folder=True), stored("a/b")])
    assert [fetch.stored.name for fetch in fetches] == ["a/b"]


UNPLACEABLE = ["../a", "a/../../b", "/etc/passwd", "a//b", "./a", "a/.", "..", "a/..", "a\0b", "a/", "x" * 256]


@pytest.mark.parametrize("name", UNPLACEABLE)
def test_a_name_that_leads_nowhere_below_the_destination_is_refused(name: str) -> None:
    with pytest.raises(StoreError, match=r"^Nothing is fetched.*" + re.escape(repr(name)) + " "):
        planned_downloads([stored("fine"), stored(name)])


@pytest.mark.parametrize("name", UNPLACEABLE)
def test_what_a_download_refuses_an_upload_refuses_too(name: str) -> None:
    with pytest.raises(InvalidName, match="cannot be stored"):
        require_valid_names([source("fine"), source(name)])


@given(st.text(max_size=12))
def test_what_an_upload_accepts_a_download_places(name: str) -> None:
    try:
        require_valid_names([source(name)])
    except InvalidName:
        return
    (fetch,) = planned_downloads([stored(name)])
    assert str(fetch.relative_path) == name


def test_all_names_that_cannot_be_placed_are_listed_up_to_a_limit() -> None:
    with pytest.raises(StoreError, match=r"'/0' \(it begins with a slash\), .*'/4' .* and 2 more"):
        planned_downloads([stored(f"/{number}") for number in range(7)])


def test_an_upload_of_a_file_that_would_be_a_folder_too_is_refused() -> None:
    with pytest.raises(StoreError, match=r"'a' and 'a/b/c' would both be stored"):
        require_valid_names([source("a/b/c"), source("a")])


@pytest.mark.parametrize(("container", "name"), [("c" * 250, "a"), ("c", "/".join(["x" * 100] * 10))])
def test_names_of_segments_that_are_too_long_are_refused(container: str, name: str) -> None:
    """The store would refuse the segments, in the middle of the upload."""
    sends = planned_uploads([source(name, 2 * DEFAULT_SEGMENT_SIZE + 1), source("small")], [], LIMITS)
    with pytest.raises(InvalidName, match="would be sent in segments"):
        require_valid_segment_names(sends, container)
    require_valid_segment_names(planned_uploads([source(name, 2 * DEFAULT_SEGMENT_SIZE)], [], LIMITS), container)


def test_a_name_that_climbs_only_after_the_prefix_is_refused() -> None:
    with pytest.raises(StoreError, match=r"'run/\.\./\.\./x' \('\.\./\.\./x' has the step"):
        planned_downloads([stored("run/../../x")], "run")


def test_a_file_that_would_have_to_be_a_folder_too_is_refused() -> None:
    with pytest.raises(StoreError, match=r"'a' and 'a/b/c' are both stored"):
        planned_downloads([stored("a"), stored("a/b/c")])


@given(st.lists(st.text(max_size=20)), st.text(max_size=4))
def test_no_name_whatever_is_placed_outside(names: list[str], prefix: str) -> None:
    try:
        fetches = planned_downloads([stored(name) for name in names], prefix)
    except StoreError:
        return
    for fetch in fetches:
        assert not fetch.relative_path.is_absolute()
        assert ".." not in fetch.relative_path.parts
        assert fetch.relative_path.parts
        assert fetch.stored.name.endswith(str(fetch.relative_path))


def test_deleting_spares_other_folders_folder_marks_and_results() -> None:
    listing = [
        stored("p/old"),
        stored("p/here"),
        stored("p/mark", 0, folder=True),
        stored("pq/x"),
    ]
    assert [one.name for one in planned_deletions([source("p/here")], listing, "p")] == ["p/old"]
    results = [
        stored("training-AbC_12-xY/m"),
        stored("training-AbC_12-xY/.dlaas-training"),
        stored("training-unmarked1/learner-1/training-log.txt"),
        stored("copy/of/it/.dlaas-training"),
        stored("copy/of/it/m"),
        stored("training-set000001/m"),
    ]
    assert [one.name for one in planned_deletions([], results, "")] == ["training-set000001/m"]
    assert [one.name for one in planned_deletions([], listing, "")] == ["p/old", "p/here", "pq/x"]
