"""The last checkpoint consists of the objects of the results."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from airflow_dlaas.service.checkpoints.keeper import LastLook
from airflow_dlaas.service.checkpoints.result_objects import last_entries
from airflow_dlaas.service.checkpoints.stored_entries import StoredEntry, manifest_entry
from airflow_dlaas.storage.object_store import StoredObject
from tests.unit.service.checkpoints.looks import a_file, a_folder, an_entry

ENTRY = an_entry("last.pt")
CONTENT = "training-x/.dlaas-checkpoints/1/content/old"


def an_object(path: str, size: int = 1, md5: str | None = "m") -> StoredObject:
    return StoredObject(f"training-x/checkpoints/{path}", size, md5, datetime(2026, 1, 1, tzinfo=timezone.utc))


def stored(entry=ENTRY) -> dict[str, StoredEntry]:
    return {"last.pt": StoredEntry(entry.found, (manifest_entry(entry.top, "old", CONTENT),))}


def names(last: LastLook, *objects: StoredObject) -> dict[str, str | None]:
    by_path = {one.name.removeprefix("training-x/checkpoints/"): one for one in objects}
    entries = last_entries(last, by_path, lambda found: f"hash of {found.path}")
    return {one.path: one.object_name for entry in entries.values() for one in entry.manifest}


def test_entry_consists_of_the_results_also_if_it_was_stored_during_the_run():
    last = LastLook(stored(), {"last.pt": ENTRY})
    assert names(last, an_object("last.pt")) == {"last.pt": "training-x/checkpoints/last.pt"}


def test_entry_whose_object_is_missing_keeps_the_content_of_the_run():
    assert names(LastLook(stored(), {"last.pt": ENTRY})) == {"last.pt": CONTENT}
    assert names(LastLook(stored(), {"last.pt": ENTRY}), an_object("last.pt", size=2)) == {"last.pt": CONTENT}


def test_entry_that_is_not_complete_keeps_its_earlier_state():
    last = LastLook(stored(), {})
    assert names(last, an_object("last.pt")) == {"last.pt": CONTENT}


def test_without_the_object_of_a_new_state_there_is_no_checkpoint():
    """It would have an older state of this file beside newer ones of others, or none."""
    changed = an_entry("last.pt", mtime=99)
    other = an_entry("other", inode=2)
    last = LastLook(stored(), {"last.pt": changed, "other": other})
    assert names(last, an_object("other")) == {}


def test_folders_need_no_object():
    folder = a_folder("step", a_file("step/a"))
    assert names(LastLook({}, {"step": folder}), an_object("step/a")) == {
        "step": None,
        "step/a": "training-x/checkpoints/step/a",
    }


@pytest.mark.parametrize(
    ("size", "md5", "expected"), [(1, "m", "m"), (1, None, "hash of f"), (10**9, "m", "hash of f")]
)
def test_md5_of_an_object_of_segments_is_that_of_the_file(size, md5, expected):
    last = LastLook({}, {"f": an_entry("f", size=size)})
    entries = last_entries(last, {"f": an_object("f", size, md5)}, lambda found: f"hash of {found.path}")
    assert entries["f"].manifest[0].md5 == expected
