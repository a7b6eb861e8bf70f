"""What is complete: decided from two looks."""

from __future__ import annotations

from airflow_dlaas.service.checkpoints.completeness import complete_after_kill, complete_entries, is_gone
from tests.unit.service.checkpoints.looks import a_file, a_folder, an_entry, looks

NONE = frozenset[str]()
LAST = frozenset({"last.pt"})


def test_file_is_complete_at_the_second_look_that_finds_it_unchanged():
    assert not complete_entries(*looks([], [an_entry("last.pt")]))
    assert complete_entries(*looks([], [an_entry("last.pt")], [an_entry("last.pt")])) == LAST


def test_file_that_changes_is_not_complete():
    for changed in (an_entry("last.pt", mtime=11), an_entry("last.pt", size=2), an_entry("last.pt", inode=2)):
        assert not complete_entries(*looks([an_entry("last.pt")], [changed]))


def test_file_that_is_open_for_writing_is_not_complete_however_long_it_does_not_change():
    unchanged = [an_entry("last.pt")]
    assert not complete_entries(*looks(unchanged, unchanged, unchanged, opened=(LAST, LAST, LAST)))
    assert complete_entries(*looks(unchanged, unchanged, unchanged, opened=(LAST, LAST, NONE))) == LAST


def test_file_that_was_renamed_into_place_is_complete_at_once():
    renamed = an_entry("last.pt", inode=2, mtime=20, ctime=21)
    assert complete_entries(*looks([], [renamed])) == LAST
    assert complete_entries(*looks([an_entry("last.pt")], [renamed])) == LAST


def test_file_that_the_kernel_reports_as_renamed_is_complete_although_its_times_and_its_inode_do_not_show_it():
    """A small file is written and renamed within one step of the clock, and the freed inode is used again."""
    before, now = an_entry("last.pt", mtime=10), an_entry("last.pt", mtime=11)
    assert complete_entries(*looks([before], [now], renamed=(NONE, LAST))) == LAST
    assert not complete_entries(*looks([before], [now], opened=(NONE, LAST), renamed=(NONE, LAST)))
    assert complete_after_kill(*looks([before], [now], renamed=(NONE, LAST))) == LAST


def test_renamed_file_that_is_open_again_is_not_complete():
    renamed = an_entry("last.pt", inode=2, mtime=20, ctime=21)
    assert not complete_entries(*looks([], [renamed], opened=(NONE, LAST)))


def test_file_of_known_inode_was_not_renamed_whatever_its_times_are():
    """A change of the mode looks like a rename, and so does a hard link."""
    before, changed = an_entry("last.pt", mtime=10), an_entry("last.pt", mtime=11, ctime=12)
    assert not complete_entries(*looks([before], [changed]))


def test_folder_is_complete_when_it_has_not_changed_for_some_seconds():
    """Between two shards that are written one after the other, no file may be open."""
    folder = [a_folder("step-1", a_file("step-1/a"))]
    assert not complete_entries(*looks(folder, folder))
    assert not complete_entries(*looks(folder, folder, folder))
    assert complete_entries(*looks(folder, folder, folder, folder)) == {"step-1"}


def test_folder_that_gets_another_file_begins_anew():
    one, two = a_folder("s", a_file("s/a")), a_folder("s", a_file("s/a"), a_file("s/b", 2), mtime=11)
    assert not complete_entries(*looks([one], [one], [one], [two], [two], [two]))
    assert complete_entries(*looks([one], [one], [one], [two], [two], [two], [two])) == {"s"}


def test_folder_that_was_renamed_into_place_is_complete_at_once():
    assert complete_entries(*looks([], [a_folder("step-1", a_file("step-1/a"), ctime=11)])) == {"step-1"}


def test_an_entry_that_is_written_does_not_hold_up_another_one():
    a, b = an_entry("a"), an_entry("b", inode=2)
    assert complete_entries(*looks([a, b], [a, an_entry("b", inode=2, mtime=12)])) == {"a"}


def test_after_a_kill_what_changed_since_the_look_before_is_not_complete():
    assert not complete_after_kill(*looks([an_entry("last.pt")], [an_entry("last.pt", mtime=11)]))
    assert not complete_after_kill(*looks([], [an_entry("last.pt")]))
    assert complete_after_kill(*looks([an_entry("last.pt")], [an_entry("last.pt")])) == LAST


def test_after_a_kill_what_was_open_at_the_look_before_is_not_complete():
    """It may have ended in the middle, although it has not grown since."""
    unchanged = [an_entry("last.pt")]
    assert not complete_after_kill(*looks(unchanged, unchanged, opened=(LAST, NONE)))


def test_after_a_kill_what_was_renamed_into_place_is_complete():
    assert complete_after_kill(*looks([], [an_entry("last.pt", mtime=5, ctime=6)])) == LAST


def test_entry_is_gone_when_two_looks_miss_it():
    """A command that removes a file before it writes the next one has none of that name for a moment."""
    there = [an_entry("last.pt")]
    assert not is_gone(*looks(there, []), "last.pt")
    assert is_gone(*looks(there, [], []), "last.pt")
    assert not is_gone(*looks(there, there), "last.pt")
