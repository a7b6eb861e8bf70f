"""Mounted folders: in their place without a copy, and read-only unless site and definition permit more."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_dlaas.contract.state import TrainingState
from tests.integration.service.learner.conftest import Job
from tests.stored import write_tree


@pytest.fixture(params=["bubblewrap", "none"])
def way(request: pytest.FixtureRequest, job: Job) -> str:
    if request.param == "bubblewrap":
        request.getfixturevalue("bubblewrap")
    job.isolation = request.param
    return job.isolation


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder that may be mounted."""
    return write_tree(tmp_path / "shared", {"digits/a": b"1", "digits/b/c": b"2", "other/secret": b"3"})


def test_single_mount_is_the_folder_of_data(job: Job, way: str, root: Path):
    command = 'cat "$DATA_DIR/a" b/c; echo 9 > "$DATA_DIR/new"; [ -e "$DATA_DIR/../../shared/other" ] && echo seen'
    job.run(command, sources=[{"path": str(root / "digits")}], mount_roots=[{"path": str(root)}])
    assert job.output()[0].startswith("12")
    assert (root / "digits" / "new").exists() == (way == "none")  # where nothing can enforce it
    log = job.stored()["learner-1/load-data.log"].decode()
    assert ("the command is not isolated" in log) == (way == "none")
    (source,) = job.data().report.sources
    assert (source.name, source.folder, source.files, source.version) == (str(root / "digits"), "", None, None)


@pytest.mark.usefixtures("bubblewrap")
def test_sandbox_sees_only_the_mounted_folder_read_only(job: Job, root: Path):
    job.isolation = "bubblewrap"
    job.put("x", b"4")
    command = (
        f"cd $DATA_DIR; cat digits/a {job.container}/x; touch digits/new || echo refused; ls {root}; "
        "echo 5 > own; cat own"
    )
    job.run(command, sources=[{"path": str(root / "digits")}, {}], mount_roots=[{"path": str(root)}])
    lines = job.output()
    assert lines[0].startswith("14")
    assert lines[-3:] == ["refused", "digits", "5"]
    assert not (root / "digits" / "new").exists()


def test_writable_root_and_definition_permit_changes(job: Job, way: str, root: Path):
    job.run(
        'echo 7 > "$DATA_DIR/new" && mv "$DATA_DIR/b/c" "$DATA_DIR/moved"',
        sources=[{"path": str(root / "digits"), "read_only": False}],
        mount_roots=[{"path": str(root), "writable": True}],
    )
    assert (root / "digits" / "new").read_text() == "7\n"
    assert (root / "digits" / "moved").read_text() == "2"


@pytest.mark.usefixtures("bubblewrap")
def test_writable_root_is_read_only_unless_the_definition_asks(job: Job, root: Path):
    job.isolation = "bubblewrap"
    sources, roots = [{"path": str(root / "digits")}], [{"path": str(root), "writable": True}]
    job.run('touch "$DATA_DIR/new" || echo refused', sources=sources, mount_roots=roots)
    assert job.output()[-1] == "refused"


def test_link_out_of_the_root_is_refused(job: Job, tmp_path: Path, root: Path):
    write_tree(tmp_path / "private", {"key": b"0"})
    (root / "digits" / "link").symlink_to(tmp_path / "private")
    ended = job.run("true", sources=[{"path": f"{root}/digits/link"}], mount_roots=[{"path": str(root)}])
    assert (ended.state, ended.code) == (TrainingState.ERROR, "C101")
    assert "training_data[0].source.path" in (ended.reason or "")
    assert "leads out of the folders" in (ended.reason or "")


def test_missing_folder_ends_the_training_with_its_field(job: Job, root: Path):
    ended = job.run("true", sources=[{}, {"path": f"{root}/none"}], mount_roots=[{"path": str(root)}])
    assert (ended.code, ended.exit_code) == ("S302", None)
    assert f"training_data[1].source.path: {root}/none cannot be mounted" in (ended.reason or "")


def test_mounted_file_is_in_the_folder_of_data(job: Job, way: str, root: Path):
    job.run("cat $DATA_DIR/a a", sources=[{"path": f"{root}/digits/a"}], mount_roots=[{"path": str(root)}])
    assert job.output() == ["11"]
