from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from airflow_dlaas.exceptions import StoreFull, StoreUnreachable
from airflow_dlaas.service.job_files import JobDirectory
from airflow_dlaas.service.learner.result_files import MAX_LINKED_FOLDERS, find_result_files, printable_name
from airflow_dlaas.service.learner.upload_results import MAX_FAILED_FILES, BisectingUpload
from airflow_dlaas.storage.transfer.checksum_cache import ChecksumCache
from tests.memory_store import MemoryStore


def test_object_names_of_results_logs_and_checkpoints(tmp_path: Path) -> None:
    for name in (
        "results/model/a/b.bin",
        "results/notes.txt",
        "checkpoints/c.h5",
        "logs/load-data.log",
        "logs/tb/events",
        "logs/learner.log",
        "data/big.gz",
        "log",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = find_result_files(JobDirectory(tmp_path), "training-1")
    assert sorted(found.results) == ["training-1/checkpoints/c.h5", "training-1/model/a/b.bin", "training-1/notes.txt"]
    assert sorted(found.logs) == [
        "training-1/learner-1/load-data.log",
        "training-1/learner-1/tb/events",
        "training-1/learner-1/training-log.txt",
    ]
    assert found.skipped == []


def test_only_links_to_the_job_s_own_files_are_stored(tmp_path: Path) -> None:
    job, secret = tmp_path / "job", tmp_path / "secret"
    (job / "results").mkdir(parents=True)
    (job / "checkpoints").mkdir()
    secret.touch()
    (job / "spec.json").touch()
    (job / "checkpoints" / "last").touch()
    (job / "results" / "model").symlink_to("../checkpoints/last")
    (job / "results" / "stolen").symlink_to(secret)
    (job / "results" / "mark").symlink_to("../spec.json")
    (job / "results" / "dangling").symlink_to("nowhere")
    found = find_result_files(JobDirectory(job), "t")
    assert sorted(found.results) == ["t/checkpoints/last", "t/model"]
    assert sorted(one.name for one in found.skipped) == ["dangling", "mark", "stolen"]
    assert not any(one.has_content for one in found.skipped)


def test_number_of_followed_links_is_limited(tmp_path: Path) -> None:
    folders = [tmp_path / "results" / str(number) for number in range(8)]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "x").touch()
    for folder in folders:
        for other in folders:
            (folder / f"to-{other.name}").symlink_to(other)
    found = find_result_files(JobDirectory(tmp_path), "t")
    assert len(found.results) == len(folders) + MAX_LINKED_FOLDERS
    assert any("more than" in one.reason for one in found.skipped)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user: run the tests as root")
def test_unreadable_files_are_named() -> None:
    code = (
        "import os, sys; from pathlib import Path\n"
        f"from {find_result_files.__module__} import find_result_files, JobDirectory\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "print(*find_result_files(JobDirectory(Path(sys.argv[1])), 't').skipped, sep='\\n')"
    )
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are closed to others
        results = Path(folder, "results")
        for path, mode in ((Path(folder), 0o755), (results, 0o755), (results / "closed", 0o700)):
            path.mkdir(exist_ok=True)
            path.chmod(mode)
        for name, mode in (("secret", 0o600), ("own", 0o644)):
            (results / name).touch()
            (results / name).chmod(mode)
        done = subprocess.run(
            [sys.executable, "-c", code, folder], capture_output=True, text=True, timeout=60, check=True
        )
    assert done.stdout.splitlines() == [
        "secret: it cannot be read",
        "closed/: the folder cannot be read (Permission denied)",
    ]


@pytest.mark.parametrize(
    ("name", "text"), [("a b", "a b"), ("a\nb\x1b[31m", r"a\nb\x1b[31m"), ("caf\udce9", r"caf\xe9"), ("é", "é")]
)
def test_name_is_printed_on_one_line(name: str, text: str) -> None:
    assert printable_name(name) == text


def files(folder: Path, *names: str) -> dict[str, Path]:
    for name in names:
        (folder / name).write_text(name)
    return {name: folder / name for name in names}


def test_refused_file_does_not_stop_the_others(tmp_path: Path) -> None:
    store = MemoryStore()
    bisecting_upload = BisectingUpload(store, "c", ChecksumCache())
    names = [f"f{number}" for number in range(20)]
    bisecting_upload.upload(files(tmp_path, *names, "7-full", "8-full"))
    assert sorted(store.objects) == sorted(names)
    assert set(bisecting_upload.failed) == {"7-full", "8-full"}


def test_removed_file_does_not_stop_the_others(tmp_path: Path) -> None:
    store = MemoryStore()
    bisecting_upload = BisectingUpload(store, "c", ChecksumCache())
    bisecting_upload.upload(files(tmp_path, "a", "b") | {"gone": tmp_path / "gone"})
    assert sorted(store.objects) == ["a", "b"]
    assert "cannot be read" in bisecting_upload.failed["gone"]


def test_full_store_gets_no_request_for_each_file(tmp_path: Path) -> None:
    store = MemoryStore()
    bisecting_upload = BisectingUpload(store, "c", ChecksumCache())
    bisecting_upload.upload(files(tmp_path, *(f"{number}-full" for number in range(1000))))
    assert len(bisecting_upload.failed) == 1000
    assert len(store.asked) < 20 * MAX_FAILED_FILES


@pytest.mark.parametrize("kind", [StoreUnreachable, StoreFull])
def test_unreachable_store_or_missing_container_is_raised(tmp_path: Path, kind: type) -> None:
    class Away(MemoryStore):
        def limits(self):  # type: ignore[no-untyped-def]
            raise kind("away")

        def check(self, container: str) -> None:  # noqa: ARG002
            raise kind("away")

    bisecting_upload = BisectingUpload(Away(), "c", ChecksumCache())
    with pytest.raises(kind):
        bisecting_upload.upload(files(tmp_path, "a", "b"))
    assert bisecting_upload.failed == {}
