"""What a checkpoint consists of."""

from __future__ import annotations

from airflow_dlaas.service.checkpoints.plan_checkpoint import plan_checkpoint
from airflow_dlaas.service.checkpoints.snapshot import Entry
from airflow_dlaas.service.checkpoints.stored_entries import StoredEntry, manifest_entry
from tests.unit.service.checkpoints.looks import an_entry, looks

OLD, NEW = an_entry("last.pt", mtime=10), an_entry("last.pt", mtime=20)


def stored(*entries: Entry) -> dict[str, StoredEntry]:
    return {one.top.path: StoredEntry(one.found, tuple(map(manifest_entry, one.found))) for one in entries}


def test_empty_folder_makes_no_checkpoint():
    assert plan_checkpoint(*looks([], []), set(), {}, {}) is None


def test_complete_entry_is_stored():
    plan = plan_checkpoint(*looks([OLD], [OLD]), {"last.pt"}, {}, {})
    assert plan is not None
    assert plan.new == {"last.pt": OLD}


def test_entry_that_is_written_has_its_earlier_state():
    other = an_entry("best.pt", inode=2)
    plan = plan_checkpoint(*looks([OLD, other], [NEW, other]), {"best.pt"}, stored(OLD), {})
    assert plan is not None
    assert plan.state == {"last.pt": OLD.found, "best.pt": other.found}
    assert plan.overwritten == {"last.pt"}


def test_entry_that_is_written_for_the_first_time_is_left_out():
    other = an_entry("best.pt", inode=2)
    plan = plan_checkpoint(*looks([other], [NEW, other]), {"best.pt"}, {}, {})
    assert plan is not None
    assert plan.state == {"best.pt": other.found}


def test_restored_entry_that_is_overwritten_before_it_was_stored_holds_up_the_checkpoint():
    """A checkpoint without it would have less than the one that the attempt began with."""
    other = an_entry("log.json", inode=2)
    restored = {"last.pt": OLD}
    assert plan_checkpoint(*looks([OLD, other], [NEW, other]), {"log.json"}, {}, restored) is None
    plan = plan_checkpoint(*looks([OLD, other], [OLD, other]), {"log.json"}, {}, restored)
    assert plan is not None
    assert plan.new == {"last.pt": OLD, "log.json": other}


def test_removed_entry_is_left_out_after_the_second_look():
    other = an_entry("b", inode=2)
    plan = plan_checkpoint(*looks([OLD, other], [other]), {"b"}, stored(OLD, other), {})
    assert plan is not None
    assert set(plan.state) == {"last.pt", "b"}
    plan = plan_checkpoint(*looks([OLD, other], [other], [other]), {"b"}, stored(OLD, other), {})
    assert plan is not None
    assert set(plan.state) == {"b"}
