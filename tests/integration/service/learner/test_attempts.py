"""A further attempt of a training begins with the newest complete checkpoint, and continues its log and its metrics."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest
from pydantic import SecretStr

from airflow_dlaas.contract.attempts import ResumedFrom
from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.results import marker_content, marker_name
from airflow_dlaas.contract.state import Phase, TrainingState
from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.contract.training import Metric, PhaseTime
from airflow_dlaas.exceptions import StoreUnreachable
from airflow_dlaas.service.checkpoints.manifest import CheckpointManifest, manifest_name
from airflow_dlaas.service.checkpoints.manifest_checks import DamagedCheckpoint
from airflow_dlaas.service.checkpoints.restore import restore_checkpoint
from airflow_dlaas.service.job_files import read_job_file, write_job_file
from airflow_dlaas.service.job_reports import CheckpointsFile, PhaseFile
from airflow_dlaas.service.job_spec import JobSpec
from airflow_dlaas.service.learner.job_result import StageError, stage_errors
from airflow_dlaas.service.learner.job_storage import open_job_storage
from airflow_dlaas.service.learner.log_writer import LogWriter
from airflow_dlaas.service.learner.restore_checkpoint import CheckpointRestore
from airflow_dlaas.storage.segments import DEFAULT_SEGMENT_SIZE
from airflow_dlaas.storage.swift.segment_names import segment_container
from airflow_dlaas.storage.transfer.api import UploadOptions, upload
from tests.builders import writes_events
from tests.checkpoints import folder_entry, link_entry, manifest_of, store_checkpoint_by_hand, store_manifest
from tests.stored import random_bytes, read_tree, segments, write_tree

MIB = 1024**2

PRINTS = 'echo "$ATTEMPT/${RESUMED_FROM-none}/$(cat $CHECKPOINT_DIR/last 2>/dev/null)/$(ls $CHECKPOINT_DIR | wc -l)"'


def lines_of(job) -> list[str]:
    return job.folder.log.read_text().splitlines()


def restore(job, get_timeout: Callable[[], float] = lambda: 0.0) -> CheckpointManifest | None:
    """Restore as a learner does, in this process."""
    job.folder.subdirectory("logs").mkdir(exist_ok=True)
    spec = read_job_file(job.folder.spec, JobSpec)
    definition = read_job_file(job.folder.secrets, TrainingDefinition)
    assert spec is not None
    assert definition is not None
    log = LogWriter(job.folder.log, 10**6, logging.getLogger("test"))
    storage = open_job_storage(job.folder, spec, definition)
    return CheckpointRestore(job.folder, spec, storage, log, get_timeout).run()


def test_first_attempt_that_begins_anew_touches_no_checkpoint(job):
    job.run(PRINTS)
    assert lines_of(job)[1:] == ["1/none//0"]
    assert not job.folder.checkpoints.exists()


def test_further_attempt_continues_the_training(job):
    began = datetime(2026, 5, 1, tzinfo=timezone.utc)
    with job.store() as store:
        store.put(job.container, marker_name(job.id), marker_content(job.id))
        store.put(job.container, f"{job.id}/model/w", b"of attempt 1")
        store.put(job.container, f"{job.id}/learner-1/training-log.txt", b"of attempt 1")
        store.put(job.container, f"{job.id}/attempt-3/model/w", b"of an attempt that began meanwhile")
        store_checkpoint_by_hand(store, job.container, job.id, 1, 1, {"last": b"old"})
        store_checkpoint_by_hand(store, job.container, job.id, 1, 2, {"last": b"new", "a/b": b"1"})
        store_checkpoint_by_hand(store, job.container, job.id, 2, 9, {"last": b"of this attempt itself"})
    job.prepare(f"{PRINTS}; mkdir $RESULT_DIR/model; echo 2 > $RESULT_DIR/model/w; echo 'Iter 9, loss= 0.5'", attempt=2)
    job.folder.log.write_text("Iter 8, loss= 0.7\nIter 9, lo")
    job.folder.metrics.write_text('{"timestamp": "2026-05-01T00:00:00.000Z"}\n')
    phases = (PhaseTime(phase=Phase.LOADING, since=began),)
    write_job_file(job.folder.phase, PhaseFile(phase=Phase.PROCESSING, since=began, before=phases))
    job.runner.start(job.folder)
    ended = job.end()
    assert (ended.state, ended.attempt, ended.was_stopped) == (TrainingState.COMPLETED, 2, False)
    log = lines_of(job)
    assert log[:2] == ["Iter 8, loss= 0.7", "Iter 9, lo"]
    assert log[2].startswith(f"[dlaas] {job.id} (attempt 2) runs on ")
    line = "Attempt 2 begins with checkpoint 2 of attempt 1 (2 files, 4 B, stored at 2026-05-01T12:00:00.000Z)"
    assert log[3:] == [f"[dlaas] {line}", f"2/{job.id}/new/2", "Iter 9, loss= 0.5"]
    assert line in (job.folder.subdirectory("logs") / "load-data.log").read_text()
    stored = job.stored()
    assert stored["attempt-2/model/w"] == b"2\n"
    assert stored["attempt-2/learner-1/training-log.txt"].decode().splitlines() == log
    assert stored["attempt-3/model/w"] == b"of an attempt that began meanwhile"
    assert not {"model/w", "learner-1/training-log.txt"} & stored.keys()
    assert ".dlaas-training" in stored
    assert manifest_name(job.id, 2, 10).removeprefix(f"{job.id}/") in stored
    metrics = [Metric.model_validate_json(line) for line in job.folder.metrics.read_text().splitlines()[1:]]
    assert [(one.iteration, one.attempt, one.values[0].value) for one in metrics] == [(9, 2, 0.5)]
    file = read_job_file(job.folder.phase, PhaseFile)
    assert file is not None
    assert (file.attempt, file.phase) == (2, Phase.STORING)
    names = [Phase.LOADING, Phase.PROCESSING, Phase.RECOVERING, Phase.LOADING, Phase.PROCESSING]
    assert [one.phase for one in file.before] == names
    times = [one.since for one in file.before]
    assert times == sorted(times)
    checkpoints = read_job_file(job.folder.checkpoints, CheckpointsFile)
    assert checkpoints is not None
    assert checkpoints.resumed_from == ResumedFrom(training_id=job.id, attempt=1, number=2)
    newest = checkpoints.newest
    assert newest is not None
    assert (newest.attempt, newest.number, newest.files, newest.bytes) == (2, 10, 2, 4)


def test_events_of_the_checkpoint_were_measured_before(job):
    """Event files that were restored are not read again, those that the attempt writes are."""
    job.prepare(writes_events("$CHECKPOINT_DIR/old"))
    job.runner.start(job.folder)
    job.end()
    with job.store() as store:
        [name] = [one.name for one in store.list_objects(job.container, f"{job.id}/checkpoints/old/")]
        events = store.read_range(job.container, name, 0, 10**6)
        store_checkpoint_by_hand(store, job.container, job.id, 1, 1, {f"old/{Path(name).name}": events})
    shutil.rmtree(job.folder.path)
    job.prepare(f"{writes_events('$CHECKPOINT_DIR/new')}; ls $CHECKPOINT_DIR", attempt=2)
    job.runner.start(job.folder)
    job.end()
    assert lines_of(job)[-2:] == ["new", "old"]
    metrics = [Metric.model_validate_json(line) for line in job.folder.metrics.read_text().splitlines()]
    assert [(one.event_folder, one.attempt) for one in metrics] == [("new", 2)]


def test_training_begins_with_the_checkpoint_of_an_earlier_one(job):
    """The first of the earlier trainings that has a checkpoint counts."""
    with job.store() as store:
        store.create_container(f"{job.container}-2")
        store_checkpoint_by_hand(store, f"{job.container}-2", "training-before", 3, 4, {"last": b"x"})
        store_checkpoint_by_hand(store, job.container, "training-oldest", 1, 1, {"last": b"y"})
    places = {
        "training-none": job.container,
        "training-gone": f"{job.container}-deleted",
        "training-before": f"{job.container}-2",
        "training-oldest": job.container,
    }
    sources = [{"training_id": one, "container": container} for one, container in places.items()]
    job.run(PRINTS, checkpoint_sources=sources)
    log = lines_of(job)
    assert log[1].startswith("[dlaas] There is no checkpoint of training-gone: There is no container")
    assert log[2].startswith("[dlaas] Attempt 1 begins with checkpoint 4 of attempt 3 of training-before (1 file, 1 B,")
    assert log[3] == "1/training-before/x/1"
    checkpoints = read_job_file(job.folder.checkpoints, CheckpointsFile)
    assert checkpoints is not None
    assert checkpoints.resumed_from == ResumedFrom(training_id="training-before", attempt=3, number=4)
    newest = checkpoints.newest  # its own, of what it ended with
    assert newest is not None
    assert (newest.attempt, newest.number) == (1, 1)


def test_without_a_checkpoint_an_attempt_begins_without_one(job):
    job.run(PRINTS, attempt=2, checkpoint_sources=[{"training_id": "training-before", "container": job.container}])
    assert lines_of(job)[1:] == [
        f"[dlaas] Attempt 2 begins without a checkpoint: there is no complete one of {job.id}, training-before",
        "2/none//0",
    ]


@pytest.mark.parametrize("damage", ["content missing", "content replaced", "manifest broken", "manifest leads out"])
def test_damaged_checkpoint_is_left_out_for_the_next_older_one(job, damage):
    with job.store() as store:
        store_checkpoint_by_hand(store, job.container, job.id, 1, 1, {"last": b"older"})
        newest = store_checkpoint_by_hand(store, job.container, job.id, 1, 2, {"last": b"newer", "more": b"1"})
        damaged = newest.entries[0].object_name or ""
        if damage == "content missing":
            store.delete(job.container, [damaged])
        elif damage == "content replaced":
            store.put(job.container, damaged, b"NEWER")
        elif damage == "manifest broken":
            store.put(job.container, manifest_name(job.id, 1, 2), b"{")
        else:
            store_manifest(store, job.container, manifest_of(job.id, 1, 2, {}, [link_entry("../spec.json", "x")]))
    job.run(PRINTS, attempt=2)
    log = lines_of(job)
    assert log[1].startswith(f"[dlaas] Not restored: checkpoint 2 of attempt 1 of training {job.id} (")
    assert log[2].startswith("[dlaas] Attempt 2 begins with checkpoint 1 of attempt 1 (1 file, 5 B,")
    assert log[3] == f"2/{job.id}/older/1"


def test_large_files_and_many_files_are_restored(job, tmp_path):
    """A large file is stored as segments, as the end of an attempt stores it; the manifest refers to that object."""
    large = random_bytes(2 * DEFAULT_SEGMENT_SIZE + MIB, "large")
    many = {f"shards/{number:04}": b"%d" % number for number in range(200)}
    write_tree(tmp_path / "source", {"large.bin": large})
    prefix = f"{job.id}/checkpoints"
    with job.store() as store:
        upload(store, tmp_path / "source", job.container, UploadOptions(prefix=prefix))
        assert len(segments(store, job.container)) > 2
        manifest = store_checkpoint_by_hand(store, job.container, job.id, 1, 1, {"large.bin": large, **many})
        large_entry = manifest.entries[0].model_copy(update={"object_name": f"{prefix}/large.bin"})
        manifest = manifest.model_copy(
            update={"number": 2, "entries": (large_entry, *manifest.entries[1:], folder_entry("empty"))}
        )
        store_manifest(store, job.container, manifest)
        restore_checkpoint(store, job.container, manifest, tmp_path)
        (tmp_path / "again").mkdir()
        store.delete(segment_container(job.container), sorted(segments(store, job.container))[1:2])
        with pytest.raises(DamagedCheckpoint, match="refuses the request"):
            restore_checkpoint(store, job.container, manifest, tmp_path / "again")
    shutil.rmtree(tmp_path / "source")
    shutil.rmtree(tmp_path / "again")
    assert (tmp_path / "empty").is_dir()
    restored = read_tree(tmp_path)
    assert restored.pop("large.bin") == large
    assert restored == many


def test_results_that_a_checkpoint_needs_stay(job):
    """The last checkpoint of an attempt consists of its results: they are not deleted while it may be restored."""
    with job.store() as store:
        store.put(job.container, f"{job.id}/checkpoints/last", b"x")
        store.put(job.container, f"{job.id}/checkpoints/other", b"y")
        manifest = store_checkpoint_by_hand(store, job.container, job.id, 1, 1, {"last": b"x"})
        entry = manifest.entries[0].model_copy(update={"object_name": f"{job.id}/checkpoints/last"})
        store.delete(job.container, [manifest.entries[0].object_name or ""])
        store_manifest(store, job.container, manifest.model_copy(update={"entries": (entry,)}))
    assert job.run(PRINTS, attempt=2).state is TrainingState.COMPLETED
    assert f"2/{job.id}/x/1" in lines_of(job)
    stored = job.stored()
    assert stored["checkpoints/last"] == b"x"
    assert "checkpoints/other" not in stored


def test_store_that_is_down_is_retried_and_never_means_from_zero(job, own_swift):
    login = own_swift.login
    job.connection = SwiftStoreConnection(auth_url=login.auth_url, user_id=login.user, password=SecretStr(login.key))
    with job.store() as store:
        store.create_container(job.container)
        store_checkpoint_by_hand(store, job.container, job.id, 1, 1, {"last": b"x"})
    job.prepare("true", attempt=2)
    write_tree(job.folder.subdirectory("checkpoints"), {"of-the-attempt-before": b""})
    own_swift.stop()
    with pytest.raises(StageError) as caught, stage_errors("S302"):
        restore(job, lambda: 0.0 if job.log_contains("retrying in") else 900.0)
    assert caught.value.code == "S302"
    assert isinstance(caught.value.__cause__, StoreUnreachable)
    [line] = lines_of(job)
    assert line.startswith("[dlaas] Restoring the checkpoint failed (")
    assert read_tree(job.folder.subdirectory("checkpoints")) == {}
    own_swift.start()
    manifest = restore(job)
    assert manifest is not None
    assert read_tree(job.folder.subdirectory("checkpoints")) == {"last": b"x"}


def test_folder_of_checkpoints_that_a_command_replaced_is_made_anew(job, tmp_path):
    with job.store() as store:
        store_checkpoint_by_hand(store, job.container, job.id, 1, 1, {"last": b"x"})
    job.prepare("true", attempt=2)
    write_tree(tmp_path / "elsewhere", {"kept": b""})
    job.folder.subdirectory("checkpoints").symlink_to(tmp_path / "elsewhere")
    write_tree(job.folder.subdirectory("restored"), {"of an attempt that was lost": b""})
    assert restore(job) is not None
    assert not job.folder.subdirectory("checkpoints").is_symlink()
    assert read_tree(job.folder.subdirectory("checkpoints")) == {"last": b"x"}
    assert read_tree(tmp_path / "elsewhere") == {"kept": b""}
    assert not job.folder.subdirectory("restored").exists()


def test_command_that_was_stopped_is_recorded_as_such(job):
    handle = job.start("echo ready; exec sleep 1000", attempt=2)
    job.wait(lambda: job.log_contains("ready"), "the command")
    job.runner.stop([handle], {handle: job.folder})
    ended = job.end()
    assert (ended.state, ended.attempt, ended.was_stopped) == (TrainingState.CANCELED, 2, True)
