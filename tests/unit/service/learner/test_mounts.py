from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.job_files import JobDirectory
from airflow_dlaas.service.job_spec import JobSpec, MountRoot
from airflow_dlaas.service.learner.mounts import Mount, MountRefused, find_mounts

CONNECTION = {"auth_url": "http://localhost/", "userId": "u", "password": "p"}


def find(tmp_path: Path, *sources: dict[str, Any], roots: list[MountRoot], kind: str = "venv") -> tuple[Mount, ...]:
    definition = TrainingDefinition.parse(
        {
            "model_definition": {
                "name": "n",
                "definition_location": "/v3/x",
                "framework": {"name": "f", "version": "1"},
                "execution": {"command": "true", "resourceType": "small"},
            },
            "training_data": [{"source": {"type": "mount_volume", **one}} for one in sources],
            "training_results": {
                "connection": CONNECTION,
                "target": {"container": "c", "type": "softlayer_objectstore"},
            },
        }
    )
    spec = JobSpec.model_validate(
        {
            "training_id": "t",
            "command": "true",
            "runtime": {"key": "k", "kind": kind, "provides": "p"},
            "code": tmp_path,
            "environments": tmp_path,
            "gpus": (),
            "mount_roots": roots,
        }
    )
    return find_mounts(JobDirectory(tmp_path / "home" / "jobs" / "t"), spec, definition)


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    (tmp_path / "shared" / "a").mkdir(parents=True)
    (tmp_path / "home" / "jobs" / "t").mkdir(parents=True)
    return tmp_path / "shared"


def test_folder_below_a_root_is_found_without_links(tmp_path: Path, shared: Path) -> None:
    (shared / "link").symlink_to("a")
    (tmp_path / "alias").symlink_to(shared)
    (mount,) = find(tmp_path, {"path": f"{tmp_path}/alias/link"}, roots=[MountRoot(path=tmp_path / "alias")])
    assert (mount.path, mount.folder, mount.writable) == (shared / "a", ".", False)


def test_folders_have_names_in_the_folder_of_data(tmp_path: Path, shared: Path) -> None:
    found = find(tmp_path, {"path": f"{shared}/a"}, {"path": f"{shared}/a"}, roots=[MountRoot(path=shared)])
    assert [one.folder for one in found] == ["a", "a-2"]
    assert [one.field for one in found] == ["training_data[0].source.path", "training_data[1].source.path"]


def test_innermost_root_decides_whether_a_folder_may_be_changed(tmp_path: Path, shared: Path) -> None:
    roots = [MountRoot(path=shared, writable=True), MountRoot(path=shared / "a")]
    (mount,) = find(tmp_path, {"path": str(shared), "read_only": False}, roots=roots)
    assert mount.writable
    with pytest.raises(MountRefused, match=f"no folder below {shared}/a"):
        find(tmp_path, {"path": f"{shared}/a", "read_only": False}, roots=roots)


def test_path_outside_of_the_roots_is_refused_without_a_look_at_it(tmp_path: Path, shared: Path) -> None:
    with pytest.raises(MountRefused, match=r"training_data\[0\]\.source\.path: /etc/none is not below"):
        find(tmp_path, {"path": "/etc/none"}, roots=[MountRoot(path=shared)])
    with pytest.raises(MountRefused, match="may be mounted here: none"):
        find(tmp_path, {"path": f"{shared}/a"}, roots=[])
    with pytest.raises(MountRefused):
        find(tmp_path, {"path": f"{shared}-2/a"}, roots=[MountRoot(path=shared)])


@pytest.mark.parametrize("target", ["/", "/etc", "/etc/passwd", "../home", "../home/jobs/t", ".."])
def test_link_out_of_the_root_is_refused(tmp_path: Path, shared: Path, target: str) -> None:
    (shared / "link").symlink_to(target)
    with pytest.raises(MountRefused, match="leads out of"):
        find(tmp_path, {"path": f"{shared}/link"}, roots=[MountRoot(path=shared)])


def test_home_of_the_service_is_never_mounted(tmp_path: Path, shared: Path) -> None:
    for path in (tmp_path, tmp_path / "home", tmp_path / "home" / "jobs"):
        with pytest.raises(MountRefused):
            find(tmp_path, {"path": str(path)}, roots=[MountRoot(path=tmp_path)])
    (tmp_path / "home" / "data").mkdir()
    assert find(tmp_path, {"path": f"{tmp_path}/home/data"}, roots=[MountRoot(path=tmp_path / "home" / "data")])


@pytest.mark.parametrize("name", ["a:b", "a,b", 'a"b'])
def test_path_that_a_container_engine_would_divide_is_refused(tmp_path: Path, shared: Path, name: str) -> None:
    (shared / name).mkdir()
    assert find(tmp_path, {"path": f"{shared}/{name}"}, roots=[MountRoot(path=shared)])
    with pytest.raises(MountRefused, match="has a character"):
        find(tmp_path, {"path": f"{shared}/{name}"}, roots=[MountRoot(path=shared)], kind="container")


def test_missing_folder_is_an_error_of_the_machine(tmp_path: Path, shared: Path) -> None:
    with pytest.raises(HostError, match=r"training_data\[0\].*is its file system there") as caught:
        find(tmp_path, {"path": f"{shared}/none"}, roots=[MountRoot(path=shared)])
    assert not isinstance(caught.value, MountRefused)


def test_pipe_or_socket_is_refused(tmp_path: Path, shared: Path) -> None:
    os.mkfifo(shared / "pipe")
    with pytest.raises(MountRefused, match="neither a folder nor a file"):
        find(tmp_path, {"path": f"{shared}/pipe"}, roots=[MountRoot(path=shared)])
