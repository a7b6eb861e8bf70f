"""What is stored while a command writes CHECKPOINT_DIR, and what is not."""

from __future__ import annotations

import os

import pytest

from airflow_dlaas.contract.attempts import ResumedFrom
from airflow_dlaas.exceptions import StoreUnreachable
from airflow_dlaas.service.checkpoints.manifest import manifest_name
from airflow_dlaas.service.checkpoints.sending_thread import RETRY
from tests.memory_store import MemoryStore
from tests.unit.service.checkpoints.conftest import ID


def test_file_is_stored_when_it_is_complete(kept):
    kept.write("last.pt", "one")
    kept.look()
    assert not kept.manifests()
    kept.look()
    assert kept.newest() == {"last.pt": "one"}


def test_small_file_that_is_replaced_all_the_time_is_stored_at_each_look(kept):
    """It is written and renamed within one step of the clock, so that its times do not show the rename."""
    for number in range(5):
        kept.write("last.tmp", f"{number}").replace(kept.folder / "last.pt")
        kept.look()
        assert kept.newest() == {"last.pt": f"{number}"}


def test_checkpoint_without_a_change_sends_nothing(kept):
    kept.write("last.pt", "one")
    kept.look(2)
    asked = list(kept.store.asked)
    kept.look(10)
    assert kept.store.asked == asked
    assert len(kept.checkpoints) == 1


def test_empty_folder_sends_nothing(kept):
    kept.look(5)
    assert not kept.store.objects
    assert not kept.begun


def test_restored_files_are_not_sent_again_while_they_do_not_change(make_kept):
    first = make_kept()
    first.write("last.pt", "restored")
    assert not first.manifests()
    kept = make_kept()
    kept.look(5)
    assert not kept.store.objects


def test_marker_is_stored_once_and_before_everything_else(make_kept):
    kept = make_kept()
    kept.write("a", "1")
    kept.look(2)
    kept.write("a", "22")
    kept.look(2)
    assert kept.begun == 1


def test_file_that_is_overwritten_in_place_keeps_its_last_complete_state(kept):
    kept.write("last.pt", "one")
    kept.look(2)
    with (kept.folder / "last.pt").open("w") as file:
        file.write("tw")
        file.flush()
        kept.write("best.pt", "best")
        kept.look(20)
        assert kept.newest() == {"last.pt": "one", "best.pt": "best"}
        file.write("o")
    kept.look(2)
    assert kept.newest() == {"last.pt": "two", "best.pt": "best"}


def test_checkpoint_waits_a_little_for_a_file_that_is_overwritten_at_the_same_time(kept):
    kept.write("model.pt", "m1")
    kept.write("optimizer.pt", "o1")
    kept.look(2)
    kept.write("model.pt", "m22")
    with (kept.folder / "optimizer.pt").open("w") as file:
        kept.look(5)
        assert kept.newest() == {"model.pt": "m1", "optimizer.pt": "o1"}
        file.write("o22")
    kept.look(2)
    assert kept.newest() == {"model.pt": "m22", "optimizer.pt": "o22"}


def test_renamed_file_is_stored_at_once(kept):
    kept.rename_into_place("last.pt", "one")
    kept.look()
    assert kept.newest() == {"last.pt": "one"}


def test_folder_of_shards_is_stored_when_it_is_complete(kept):
    with kept.write("step-1/a", "").open("w") as file:
        for _ in range(5):
            file.write("a")
            file.flush()
            kept.look(3)
    kept.write("step-1/b", "bb")
    assert not kept.manifests()
    kept.look(6)
    assert kept.newest() == {"step-1": "folder", "step-1/a": "aaaaa", "step-1/b": "bb"}


def test_log_that_is_open_for_the_whole_run_does_not_hold_up_the_folder_that_it_is_in(kept):
    """As in ``lightning_logs/version_0``: the event file, and the folder of checkpoints."""
    folder = "lightning_logs/version_0"
    with kept.write(f"{folder}/events.out.tfevents.1.host", "").open("w") as log:
        kept.write(f"{folder}/checkpoints/epoch=0.ckpt", "zero")
        for _ in range(6):
            log.write("event")
            log.flush()
            kept.look()
        assert kept.newest()[f"{folder}/checkpoints/epoch=0.ckpt"] == "zero"
        assert f"{folder}/events.out.tfevents.1.host" not in kept.newest()
    assert len(kept.skips) == 1


def test_only_contents_that_are_not_stored_are_sent(kept):
    for name in ("a", "b", "c"):
        kept.write(f"step/{name}", name)
    kept.look(5)
    assert kept.checkpoints[0].sent_files == 3
    kept.write("step/b", "changed")
    kept.write("step/copy of a", "a")
    kept.look(6)
    assert kept.checkpoints[1].sent_files == 1
    assert kept.contents() == ["a", "b", "c", "changed"]


def test_older_checkpoints_are_deleted_with_their_contents(kept):
    for step in range(5):
        kept.write("last.pt", "x" * (step + 1))
        kept.look(2)
    assert sorted(kept.manifests()) == [(1, 4), (1, 5)]
    assert kept.contents() == ["xxxx", "xxxxx"]


def test_large_file_is_stored_in_segments_and_deleted_with_them(make_kept):
    kept = make_kept(kept=1)
    kept.write("big", "0123456789" * 10)
    kept.look(2)
    assert kept.newest() == {"big": "0123456789" * 10}
    assert kept.store.segments()
    kept.write("big", "small")
    kept.look(2)
    assert kept.newest() == {"big": "small"}
    assert not kept.store.segments()


def test_numbers_continue_after_those_in_the_store(make_kept):
    store = MemoryStore()
    store.containers["c"][manifest_name(ID, 1, 41)] = b"no manifest"
    kept = make_kept(store)
    kept.write("a", "1")
    kept.look(2)
    assert max(name for name in store.objects if "manifest" in name) == manifest_name(ID, 1, 42)


def test_links_and_empty_folders_are_stored(kept):
    kept.write("step-1", "1")
    (kept.folder / "latest").symlink_to("step-1")
    (kept.folder / "empty").mkdir()
    kept.look(5)
    assert kept.newest() == {"empty": "folder", "latest": "link", "step-1": "1"}


def test_pipes_and_names_that_are_not_utf8_are_reported_once_and_left_out(kept):
    kept.write("a", "1")
    os.mkfifo(kept.folder / "pipe")
    (kept.folder / os.fsdecode(b"caf\xe9")).touch()
    kept.look(5)
    assert kept.newest() == {"a": "1"}
    assert kept.skips == [{"pipe": "a pipe", "caf\\xe9": "its name is not UTF-8"}]


def test_odd_names_are_stored(kept):
    names = ["a b", "ümlaut", "line\nbreak", "-rf", "...", "a\\b", "*", "%2F", "trailing "]
    for name in names:
        kept.write(name, name)
    kept.look(2)
    assert kept.newest() == {name: name for name in names}


class ActingStore(MemoryStore):
    """A store that calls a function before it stores the first content."""

    def __init__(self, act) -> None:
        super().__init__()
        self.act = act

    def _store(self, container, name, *arguments):
        if "/content/" in name and self.act:
            act, self.act = self.act, None
            act()
        return super()._store(container, name, *arguments)


def test_file_that_is_removed_while_it_is_sent_is_stored(make_kept):
    kept = make_kept(ActingStore(lambda: (kept.folder / "last.pt").unlink()))
    kept.write("last.pt", "one")
    kept.look(2)
    assert kept.newest() == {"last.pt": "one"}


def test_file_that_is_replaced_while_it_is_sent_is_stored(make_kept):
    kept = make_kept(ActingStore(lambda: kept.rename_into_place("last.pt", "two")))
    kept.write("last.pt", "one" * 50)
    kept.look(2)
    assert kept.newest() == {"last.pt": "one" * 50}
    kept.look(1)
    assert kept.newest() == {"last.pt": "two"}


@pytest.mark.parametrize("content", ["one", "large " * 50])
def test_file_that_is_overwritten_while_it_is_sent_is_not_stored_and_the_others_are(make_kept, content):
    def overwrite() -> None:
        with (kept.folder / "last.pt").open("r+") as file:
            file.write("XXX")
        os.utime(kept.folder / "last.pt")

    store = ActingStore(overwrite)
    kept = make_kept(store)
    kept.write("last.pt", content)
    kept.write("other.pt", "other")
    kept.look(2)
    assert kept.newest() == {"other.pt": "other"}
    assert content not in kept.contents()
    kept.look(2)
    assert kept.newest() == {"last.pt": "XXX" + content[3:], "other.pt": "other"}
    assert not kept.failures


def test_segments_of_an_interrupted_upload_are_deleted(make_kept):
    store = ActingStore(lambda: kept.write("big", "changed"))
    kept = make_kept(store)
    kept.write("big", "0123456789" * 10)
    kept.look(2)
    assert not kept.manifests()
    kept.look(2)
    assert kept.newest() == {"big": "changed"}
    assert not store.segments()


class FailingStore(MemoryStore):
    """A store that does not respond for the first calls."""

    def __init__(self, failures: int) -> None:
        super().__init__()
        self.failures = failures

    def put(self, container, name, source, **options):
        if self.failures:
            self.failures -= 1
            raise StoreUnreachable("503")
        return super().put(container, name, source, **options)


def test_failure_is_reported_once_and_storing_continues_later(make_kept):
    kept = make_kept(FailingStore(3))
    kept.write("a", "1")
    kept.look(3)
    assert kept.failures == ["503"]
    assert kept.store.failures == 2  # a pause follows a failure
    for failures in (1, 2, 3):
        kept.look()
        kept.now += RETRY.pause(failures)
        kept.look()
    assert kept.failures == ["503"]
    assert kept.newest() == {"a": "1"}


def test_staged_files_are_removed_in_every_case(make_kept):
    kept = make_kept(FailingStore(1))
    kept.write("a", "1")
    kept.look(3)
    assert not list(kept.staging.iterdir())
    kept.now += RETRY.pause(1)
    kept.look(2)
    assert kept.manifests()
    assert not list(kept.staging.iterdir())


def test_stopped_keeper_gives_up_what_it_sends(make_kept):
    store = ActingStore(lambda: kept.keeper.stop())
    kept = make_kept(store)
    kept.write("a", "x" * 100)
    kept.write("b", "y" * 100)
    kept.look(2)
    kept.keeper.stop()
    assert not kept.manifests()
    assert not kept.failures


def restore(kept) -> ResumedFrom:
    """Give the files the times that the newest checkpoint has, as a restore does."""
    manifests = kept.manifests()
    manifest = manifests[max(manifests)]
    for one in manifest.entries:
        os.utime(kept.folder / one.path, ns=(one.mtime_ns, one.mtime_ns))
    return manifest.reference


def test_next_attempt_refers_to_contents_of_the_one_before(make_kept):
    first = make_kept()
    first.write("a", "1")
    first.write("b", "2")
    first.look(2)
    kept = make_kept(first.store, attempt=2, resumed=restore(first))
    kept.look(3)
    assert sorted(kept.manifests()) == [(1, 1)]
    kept.write("c", "3")
    kept.look(2)
    assert sorted(kept.manifests()) == [(1, 1), (2, 1)]
    assert kept.newest() == {"a": "1", "b": "2", "c": "3"}
    assert kept.checkpoints[0].sent_files == 1


def test_next_attempt_keeps_the_restored_state_of_a_file_that_it_overwrites_at_once(make_kept):
    first = make_kept()
    first.write("last.pt", "restored")
    first.look(2)
    kept = make_kept(first.store, attempt=2, resumed=restore(first))
    kept.look()
    with (kept.folder / "last.pt").open("w"):
        kept.write("log", "1")
        kept.look(20)
        assert kept.newest() == {"last.pt": "restored", "log": "1"}


def test_first_checkpoint_after_a_restore_from_another_training_is_whole(make_kept):
    make_kept().write("last.pt", "restored")
    kept = make_kept()
    with (kept.folder / "last.pt").open("a") as file:
        kept.write("log", "1")
        file.write("+")
        file.flush()
        kept.look(20)
        assert not kept.manifests()
    kept.look(2)
    assert kept.newest() == {"last.pt": "restored+", "log": "1"}


def test_state_is_not_stored_when_it_cannot_be_read(kept):
    if os.geteuid() == 0:
        pytest.skip("root reads every file: run the tests as another user")
    kept.write("a", "1")
    kept.write("b", "2").chmod(0)
    kept.look(5)
    assert kept.newest() == {"a": "1"}
    assert len(kept.failures) == 1


def test_ten_thousand_small_files_are_one_checkpoint(kept):
    for number in range(10_000):
        path = kept.folder / f"step/{number % 10}"
        path.mkdir(parents=True, exist_ok=True)
        (path / f"{number}").touch()
    kept.look(5)
    assert kept.checkpoints[0].manifest.report.files == 10_000
