"""Plans: what is sent, fetched and deleted, and what is refused before any byte is transferred."""

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
)
from tests.memory_store import RemoteTestFile

LIMITS = StoreLimits(max_segments=1000)

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)


def stored(name: str, size: int = 1, md5: str | None = "m", folder: bool = False) -> StoredObject:
    return StoredObject(name, size, md5, NOW, folder)


def source(name: str, size: int = 1, folder: str = "/here") -> Source:
    return Source(name, LocalFile(f"{folder}/{name}", size, 1, (1, 1)))


def test_planned_uploads_include_a_file_without_an_object() -> None:
    (planned,) = planned_uploads([source("a")], [stored("b")], LIMITS)
    assert (planned.source.name, planned.stored, planned.has_same_size) == ("a", None, False)


def test_planned_upload_of_the_same_size_needs_a_comparison() -> None:
    (planned,) = planned_uploads([source("a", 5)], [stored("a", 5, "abc")], LIMITS)
    assert planned.has_same_size


def test_planned_upload_of_another_size_needs_no_comparison() -> None:
    (planned,) = planned_uploads([source("a", 5)], [stored("a", 6, "abc")], LIMITS)
    assert not planned.has_same_size


def test_files_of_more_than_two_segments_are_sent_in_segments() -> None:
    uploads = planned_uploads(
        [source("a", 2 * DEFAULT_SEGMENT_SIZE), source("b", 2 * DEFAULT_SEGMENT_SIZE + 1)], [], LIMITS
    )
    assert {one.source.name: one.segment_size for one in uploads} == {"a": 0, "b": DEFAULT_SEGMENT_SIZE}


def test_remote_file_above_the_buffer_is_sent_in_segments() -> None:
    remote = [
        Source("a", RemoteTestFile(b"x" * MAX_REMOTE_BUFFER)),
        Source("b", RemoteTestFile(b"x" * (MAX_REMOTE_BUFFER + 1))),
    ]
    assert {one.source.name: one.segment_size for one in planned_uploads(remote, [], LIMITS)} == {
        "a": 0,
        "b": DEFAULT_SEGMENT_SIZE,
    }
    assert {one.segment_size for one in planned_uploads(remote, [], StoreLimits())} == {0}


def test_plans_begin_with_the_largest_file() -> None:
    uploads = planned_uploads([source("a", 1), source("b", 3), source("c", 2)], [], LIMITS)
    assert [one.source.size for one in uploads] == [3, 2, 1]
    assert [one.size for one in planned_downloads([stored("a", 1), stored("b", 3)])] == [3, 1]


def test_two_files_with_one_object_name_are_refused() -> None:
    with pytest.raises(StoreError, match="would both be stored as 'a'"):
        planned_uploads([source("a"), source("a", folder="/there")], [], LIMITS)


@pytest.mark.parametrize(("limits", "largest"), [(StoreLimits(), 5), (LIMITS, 5000)])
def test_file_above_the_maximum_of_the_store_is_refused_with_a_hint(limits: StoreLimits, largest: int) -> None:
    with pytest.raises(StoreError, match=rf"takes {largest} GiB at most\. Split the file"):
        planned_uploads([source("a", largest * 1024**3 + 1)], [], limits)
    assert planned_uploads([source("a", largest * 1024**3)], [], limits)


@pytest.mark.parametrize("name", ["", "x" * 1025, "ü" * 513])
def test_invalid_object_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidName, match=r"'/here/f' cannot be stored\. name: "):
        require_valid_names([Source(name, LocalFile("/here/f", 1, 1, (1, 1)))])


def test_file_name_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(InvalidName, match="not UTF-8"):
        require_valid_names([source("a\udcff")])


def test_planned_downloads_use_the_name_below_the_prefix() -> None:
    (planned,) = planned_downloads([stored("run/model/a/b"), stored("run/modelling/c")], "run/model")
    assert (planned.stored.name, planned.relative_path) == ("run/model/a/b", PurePosixPath("a/b"))


def test_planned_downloads_contain_only_the_given_names() -> None:
    assert [one.stored.name for one in planned_downloads([stored("a"), stored("b")], names=["b"])] == ["b"]


def test_planned_downloads_leave_folder_markers_out() -> None:
    downloads = planned_downloads([stored("a", 0, folder=True), stored("a/", 0, folder=True), stored("a/b")])
    assert [one.stored.name for one in downloads] == ["a/b"]


NAMES_WITHOUT_A_PATH = ["../a", "a/../../b", "/etc/passwd", "a//b", "./a", "a/.", "..", "a/..", "a\0b", "a/", "x" * 256]


@pytest.mark.parametrize("name", NAMES_WITHOUT_A_PATH)
def test_planned_downloads_refuse_a_name_without_a_path_below_the_destination(name: str) -> None:
    with pytest.raises(StoreError, match=r"^Nothing is fetched.*" + re.escape(repr(name)) + " "):
        planned_downloads([stored("fine"), stored(name)])


@pytest.mark.parametrize("name", NAMES_WITHOUT_A_PATH)
def test_uploads_refuse_the_names_that_downloads_refuse(name: str) -> None:
    with pytest.raises(InvalidName, match="cannot be stored"):
        require_valid_names([source("fine"), source(name)])


@given(st.text(max_size=12))
def test_names_accepted_by_an_upload_are_accepted_by_a_download(name: str) -> None:
    try:
        require_valid_names([source(name)])
    except InvalidName:
        return
    (planned,) = planned_downloads([stored(name)])
    assert str(planned.relative_path) == name


def test_error_lists_refused_names_up_to_a_limit() -> None:
    with pytest.raises(StoreError, match=r"'/0' \(it begins with a slash\), .*'/4' .* and 2 more"):
        planned_downloads([stored(f"/{number}") for number in range(7)])


def test_upload_refuses_a_name_of_a_file_and_a_folder() -> None:
    with pytest.raises(StoreError, match=r"'a' and 'a/b/c' would both be stored"):
        require_valid_names([source("a/b/c"), source("a")])


def test_name_that_leaves_the_folder_after_the_prefix_is_refused() -> None:
    with pytest.raises(StoreError, match=r"'run/\.\./\.\./x' \('\.\./\.\./x' has the step"):
        planned_downloads([stored("run/../../x")], "run")


def test_download_refuses_a_name_of_a_file_and_a_folder() -> None:
    with pytest.raises(StoreError, match=r"'a' and 'a/b/c' are both stored"):
        planned_downloads([stored("a"), stored("a/b/c")])


@given(st.lists(st.text(max_size=20)), st.text(max_size=4))
def test_no_download_path_leaves_the_destination(names: list[str], prefix: str) -> None:
    try:
        downloads = planned_downloads([stored(name) for name in names], prefix)
    except StoreError:
        return
    for one in downloads:
        assert not one.relative_path.is_absolute()
        assert ".." not in one.relative_path.parts
        assert one.relative_path.parts
        assert one.stored.name.endswith(str(one.relative_path))


def test_planned_deletions_keep_other_folders_folder_markers_and_results() -> None:
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
