"""Backup and restore of a data directory, without a running service."""

from __future__ import annotations

import io
import json
import os
import re
import sqlite3
import tarfile
from pathlib import Path

import pytest

from airflow_dlaas.contract.attempts import AttemptReport
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.exceptions import HostError, InvalidArgument, NotConfigured
from airflow_dlaas.service import job_files
from airflow_dlaas.service.backup.create import JOB_FILES, create_backup
from airflow_dlaas.service.backup.restore import restore_backup
from airflow_dlaas.service.config.data_dir import DataDir
from airflow_dlaas.service.key_rotation import open_store
from airflow_dlaas.service.store.blobs import BlobStore
from tests.conformance.store.conftest import NOW, SECRET, a_definition, a_training, an_experiment, later


@pytest.fixture
def data_dir(tmp_path: Path) -> DataDir:
    """A data directory with an archive, a running and a queued training, and files of the embedded Swift."""
    data_dir = DataDir(tmp_path / "home")
    data_dir.create()
    credentials = data_dir.load_or_create_credentials("dlaas", None)
    data_dir.save(credentials)
    blobs = BlobStore(data_dir.blobs)
    with blobs.start_upload(1000) as upload:
        upload.write(b"the archive")
        used = upload.commit()
    with blobs.start_upload(1000) as upload:
        upload.write(b"an archive that nothing uses")
        upload.commit()
    store = open_store(credentials, f"sqlite:///{data_dir.database}")
    experiment, version = an_experiment("e")
    store.create_experiment(experiment, version)
    store.set_content("me", "e", version.id, used.digest, used.size)
    for one in ("running", "queued"):
        store.create_training(a_training(one), a_definition(), key=one, request_digest="d")
    assert store.reserve_gpus("running", ["virtual:0"], later(1))
    store.set_handle("running", "a process")
    store.record_progress("running", TrainingState.RUNNING, None, later(2))
    store.close()
    job = data_dir.jobs / "running"
    (job / "logs").mkdir(parents=True)
    (job / "data").mkdir()
    (job / "log").write_bytes(b"epoch 1\n")
    (job / "logs" / "learner.log").write_bytes(b"started\n")
    (job / "secrets.json").write_text(json.dumps({"password": SECRET}))
    (job / "data" / "images").write_bytes(b"x" * 1000)
    (data_dir.jobs / "linked").symlink_to("/etc")
    swift = data_dir.swift / "devices" / "d1" / "objects" / "1.data"
    swift.parent.mkdir(parents=True)
    swift.write_bytes(b"object")
    os.setxattr(swift, "user.swift.metadata", b"\x80\x02binary")
    return data_dir


def backup(data_dir: DataDir, name: str = "b.tar", *, with_objects: bool = False) -> Path:
    path = data_dir.path.with_name(name)
    create_backup(data_dir, None, path, with_objects=with_objects)
    return path


def test_backup_is_private_and_has_keys_database_used_archives_and_logs(data_dir: DataDir) -> None:
    path = backup(data_dir)
    assert path.stat().st_mode & 0o777 == 0o600
    with tarfile.open(path) as archive:
        names = archive.getnames()
    assert names[0] == "database.sqlite"
    assert names[-1] == "manifest.json"
    assert {"credentials.json", "jobs/running/log", "jobs/running/logs/learner.log"} <= set(names)
    assert sum(name.startswith("blobs/") for name in names) == 1
    assert not any("secrets.json" in name or "/data/" in name or "swift" in name for name in names)
    assert SECRET.encode() not in path.read_bytes()
    assert [one.name for one in path.parent.iterdir() if one.name.startswith(".")] == []


def test_backup_has_every_file_that_the_learner_writes_for_pages_and_console() -> None:
    documented = re.findall(r"^    (\S+) +out  ", job_files.__doc__ or "", re.MULTILINE)
    assert set(JOB_FILES) == {"spec.json", *documented}


def test_restored_service_has_its_records_and_ends_what_ran(data_dir: DataDir) -> None:
    home = data_dir.path.with_name("restored")
    result = restore_backup(backup(data_dir), home, None)
    assert (result.ended, result.queued, result.unreadable) == (1, 1, 0)
    restored = DataDir(home)
    assert home.stat().st_mode & 0o777 == 0o700
    credentials = restored.read_credentials()
    assert credentials == data_dir.read_credentials()
    assert credentials is not None
    store = open_store(credentials, f"sqlite:///{restored.database}")
    ended = store.get_training("me", "running")
    assert ended.state is TrainingState.ERROR
    assert ended.error is not None
    assert "when the backup was made" in ended.error.message
    assert store.get_training("me", "queued").state is TrainingState.PENDING
    connection = store.get_definition_with_secrets("queued").training_data[0].connection
    assert connection.password.get_secret_value() == SECRET
    digests = store.list_used_digests()
    store.close()
    assert [(restored.blobs / one).exists() for one in digests if len(one) == 64] == [True]
    assert (restored.jobs / "running" / "log").read_bytes() == b"epoch 1\n"
    assert sorted(one.name for one in home.parent.iterdir() if one.name.startswith(".")) == []


def test_training_between_two_attempts_is_backed_up_with_its_job_and_is_queued_after_the_restore(
    data_dir: DataDir,
) -> None:
    credentials = data_dir.read_credentials()
    assert credentials is not None
    store = open_store(credentials, f"sqlite:///{data_dir.database}")
    assert store.begin_next_attempt("running", AttemptReport(number=1, code="S100"), later(3))
    store.close()
    logs = data_dir.jobs / "running" / "logs"
    (logs / "attempt-1").mkdir()
    (logs / "learner.log").rename(logs / "attempt-1" / "learner.log")
    home = data_dir.path.with_name("restored")
    result = restore_backup(backup(data_dir), home, None)
    assert (result.ended, result.queued, result.unreadable) == (0, 2, 0)
    restored = DataDir(home)
    assert (restored.jobs / "running" / "log").read_bytes() == b"epoch 1\n"
    assert (restored.jobs / "running" / "logs" / "attempt-1" / "learner.log").read_bytes() == b"started\n"
    store = open_store(credentials, f"sqlite:///{restored.database}")
    assert store.get_training("me", "running").attempt == 2
    assert store.list_queue() == ["running", "queued"]
    store.close()


def test_canceled_training_is_canceled_after_the_restore(data_dir: DataDir) -> None:
    credentials = data_dir.read_credentials()
    assert credentials is not None
    store = open_store(credentials, f"sqlite:///{data_dir.database}")
    store.request_cancel("me", "running", NOW)
    store.close()
    home = data_dir.path.with_name("restored")
    restore_backup(backup(data_dir), home, None)
    store = open_store(credentials, f"sqlite:///{DataDir(home).database}")
    assert store.get_training("me", "running").state is TrainingState.CANCELED
    store.close()


def test_objects_are_backed_up_with_their_metadata_while_the_service_is_stopped(data_dir: DataDir) -> None:
    with data_dir.lock(), pytest.raises(HostError, match="stop it"):
        backup(data_dir, with_objects=True)
    home = data_dir.path.with_name("restored")
    restore_backup(backup(data_dir, with_objects=True), home, None)
    copy = home / "swift" / "devices" / "d1" / "objects" / "1.data"
    assert copy.read_bytes() == b"object"
    assert os.getxattr(copy, "user.swift.metadata") == b"\x80\x02binary"


def test_backup_while_a_writer_is_at_work_has_the_committed_state(data_dir: DataDir) -> None:
    writer = sqlite3.connect(data_dir.database, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("UPDATE trainings SET note = 'not committed'")
    path = backup(data_dir)
    writer.execute("ROLLBACK")
    writer.close()
    assert b"not committed" not in path.read_bytes()


def test_existing_file_is_not_replaced(data_dir: DataDir) -> None:
    path = backup(data_dir)
    before = path.read_bytes()
    with pytest.raises(InvalidArgument, match="exists"):
        backup(data_dir)
    assert path.read_bytes() == before


def test_archive_that_cannot_be_read_is_an_error_and_a_replaced_file_of_a_job_is_left_out(data_dir: DataDir) -> None:
    (data_dir.jobs / "running" / "log").unlink()
    (data_dir.jobs / "running" / "log").mkdir()
    with tarfile.open(backup(data_dir)) as archive:
        assert "jobs/running/log" not in archive.getnames()
    with sqlite3.connect(data_dir.database) as database:
        ((digest,),) = database.execute("SELECT digest FROM versions").fetchall()
    (data_dir.blobs / digest).unlink()
    (data_dir.blobs / digest).mkdir()
    with pytest.raises(HostError, match="cannot be written"):
        backup(data_dir, "second.tar")
    assert not data_dir.path.with_name("second.tar").exists()


def test_backup_of_a_folder_without_a_service_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotConfigured, match="no credentials"):
        create_backup(DataDir(tmp_path / "none"), None, tmp_path / "b.tar", with_objects=False)
    assert list(tmp_path.iterdir()) == []


def test_restore_into_a_folder_with_files_is_refused(data_dir: DataDir) -> None:
    path = backup(data_dir)
    with pytest.raises(InvalidArgument, match="not an empty directory"):
        restore_backup(path, data_dir.path, None)
    assert data_dir.database.exists()


def _flip(path: Path, what: bytes) -> None:
    content = path.read_bytes()
    assert what in content
    path.write_bytes(content.replace(what, what[::-1], 1))


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _text(path: Path) -> None:
    path.write_bytes(b"no tar\n" * 1000)


def _escape(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo("../outside")
        member.size = 1
        archive.addfile(member, io.BytesIO(b"x"))


def _no_manifest(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo("credentials.json")
        member.size = 2
        archive.addfile(member, io.BytesIO(b"{}"))


@pytest.mark.parametrize(
    "damage", [lambda path: _flip(path, b"epoch 1"), _cut, _empty, _text, _escape, _no_manifest], ids=range(6)
)
def test_damaged_backup_is_refused_and_leaves_nothing(data_dir: DataDir, damage) -> None:
    path = backup(data_dir)
    damage(path)
    before = sorted(path.parent.iterdir())
    with pytest.raises(InvalidArgument, match="FILE"):
        restore_backup(path, path.parent / "restored", None)
    assert sorted(path.parent.iterdir()) == before


def test_backup_of_a_newer_version_is_refused(data_dir: DataDir) -> None:
    with sqlite3.connect(data_dir.database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    path = backup(data_dir)
    with pytest.raises(HostError, match="another version of airflow-dlaas"):
        restore_backup(path, path.parent / "restored", None)
    assert not (path.parent / "restored").exists()


def test_database_setting_must_fit_the_backup(data_dir: DataDir) -> None:
    path = backup(data_dir)
    with pytest.raises(NotConfigured, match="DLAAS_DATABASE"):
        restore_backup(path, path.parent / "restored", "postgresql+psycopg://x/y")
    without = path.with_name("p.tar")
    create_backup(data_dir, "postgresql+psycopg://x/y", without, with_objects=False)
    with pytest.raises(NotConfigured, match="DLAAS_DATABASE"):
        restore_backup(without, path.parent / "restored", None)
    assert not (path.parent / "restored").exists()
