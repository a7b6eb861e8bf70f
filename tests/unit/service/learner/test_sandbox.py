from __future__ import annotations

from pathlib import Path

import pytest

from airflow_dlaas.service.job_files import JobDirectory
from airflow_dlaas.service.learner.mounts import Mount
from airflow_dlaas.service.learner.sandbox import runtime_paths, sandbox_argv, with_mounts
from airflow_dlaas.service.runtimes.provision import RuntimePaths

JOB = JobDirectory(Path("/srv/dlaas/jobs/training-abcdefghi"))


def a_sandbox(job: JobDirectory = JOB, *shown: str, devices: bool = False, root: bool = False) -> list[str]:
    return sandbox_argv("bwrap", ["run"], job=job, readable_paths=[*map(Path, shown)], with_gpus=devices, as_root=root)


def mounts(line: list[str]) -> list[tuple[str, str]]:
    """Return the mounts in order: option and target."""
    kinds = {"--bind": 2, "--ro-bind-try": 2, "--dev-bind-try": 2, "--tmpfs": 1}
    return [(word, line[place + kinds[word]]) for place, word in enumerate(line) if word in kinds]


def test_only_the_job_s_folders_and_tmp_are_writable() -> None:
    writable = [place for kind, place in mounts(a_sandbox()) if kind == "--bind"]
    folders = ("code", "data", "results", "checkpoints", "logs", "home", "tmp")
    assert writable == ["/tmp", *(f"{JOB.path}/{one}" for one in folders)]


def test_folder_of_data_that_is_a_link_is_read_only(tmp_path: Path) -> None:
    (tmp_path / "data").symlink_to(tmp_path)
    line = a_sandbox(JobDirectory(tmp_path))
    assert next(line[at - 1] for at, word in enumerate(line) if word == str(tmp_path / "data")) == "--ro-bind"


def test_mounts_are_visible_where_they_are_the_outer_one_first() -> None:
    inner = Mount("f", Path("/mnt/a/b"), Path("/mnt/a/b"), "b", writable=True)
    outer = Mount("f", Path("/mnt/a"), Path("/mnt/a"), "a", writable=False)
    line = with_mounts(a_sandbox(), JOB, [inner, outer])
    place = line.index("/mnt/a")
    assert line[place - 1 : place + 5] == ["--ro-bind", "/mnt/a", "/mnt/a", "--bind", "/mnt/a/b", "/mnt/a/b"]
    assert line.index(f"{JOB.path}/tmp") < place < line.index("--remount-ro")


@pytest.mark.parametrize(("writable", "option"), [(True, "--bind"), (False, "--ro-bind")])
def test_single_mount_is_the_folder_of_data(writable: bool, option: str) -> None:
    mount = Mount("f", Path("/mnt/a"), Path("/mnt/a"), ".", writable=writable)
    line = with_mounts(a_sandbox(), JOB, [mount])
    assert line[line.index("--remount-ro") - 3 : line.index("--remount-ro")] == [option, "/mnt/a", f"{JOB.path}/data"]


def test_files_of_the_cache_are_read_only(tmp_path: Path) -> None:
    (tmp_path / "data-files").mkdir()
    line = a_sandbox(JobDirectory(tmp_path))
    assert line[line.index(f"{tmp_path}/data-files") - 1] == "--ro-bind"


def test_parents_of_the_job_are_not_mounted() -> None:
    places = [place for _, place in mounts(a_sandbox())]
    assert not {"/", "/srv", "/srv/dlaas", "/srv/dlaas/jobs", "/home", "/root", "/etc", "/var"} & set(places)
    assert ("--tmpfs", str(JOB.path)) in mounts(a_sandbox())  # without the job files


@pytest.mark.parametrize("shown", [["/srv"], ["/srv/dlaas"], ["/srv", "/srv/dlaas/environments/x"]])
def test_home_inside_a_mounted_path_is_hidden_but_its_listed_paths(shown: list[str]) -> None:
    found = mounts(a_sandbox(JOB, *shown))
    cover = found.index(("--tmpfs", "/srv/dlaas")) if shown != ["/srv/dlaas"] else -1
    for one in shown:
        assert (found.index(("--ro-bind-try", one)) > cover) == one.startswith("/srv/dlaas")
    assert found.index(("--tmpfs", str(JOB.path))) > cover


def test_home_below_opt_is_hidden() -> None:
    job = JobDirectory(Path("/opt/dlaas/jobs/training-abcdefghi"))
    assert ("--tmpfs", "/opt/dlaas") in mounts(a_sandbox(job))


def test_gpu_devices_are_mounted_only_for_reserved_gpus() -> None:
    assert "--dev-bind-try" not in a_sandbox()
    tried = [place for kind, place in mounts(a_sandbox(devices=True)) if kind == "--dev-bind-try"]
    assert {str(path) for path in Path("/dev").glob("nvidia*")} <= set(tried)


def test_shared_memory_has_the_requested_size() -> None:
    line = sandbox_argv(
        "bwrap", ["run"], job=JOB, readable_paths=[], with_gpus=False, as_root=False, shared_memory=2**30
    )
    place = line.index("/dev/shm")
    assert line[place - 5 : place] == ["--perms", "1777", "--size", str(2**30), "--tmpfs"]
    assert place > line.index("/dev")
    assert "/dev/shm" not in a_sandbox()


def test_root_keeps_no_capability_that_leaves_the_sandbox() -> None:
    line = a_sandbox(root=True)
    kept = {line[place + 1] for place, word in enumerate(line) if word == "--cap-add"}
    assert line[line.index("--cap-drop") + 1] == "ALL"
    assert not kept & {"CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH", "CAP_MKNOD", "CAP_SYS_MODULE"}
    assert "--cap-add" not in a_sandbox()


def test_environment_is_mounted_with_its_chain_of_interpreters(tmp_path: Path) -> None:
    """As uv makes them: the link goes through a folder that is a link itself."""
    (tmp_path / "python/3.12.1/bin").mkdir(parents=True)
    (tmp_path / "python/3.12.1/bin/python3.12").touch()
    (tmp_path / "python/3.12").symlink_to("3.12.1")
    (tmp_path / "env/bin").mkdir(parents=True)
    (tmp_path / "env/bin/python").symlink_to(tmp_path / "python/3.12/bin/python3.12")
    (tmp_path / "env/bin/python3").symlink_to("python")
    found = runtime_paths(RuntimePaths((tmp_path / "env/bin",), (tmp_path / "shim",), (tmp_path / "lib",)))
    assert set(found) == {tmp_path / one for one in ("env", "python/3.12", "python/3.12.1", "shim", "lib")}


def test_environment_of_copies_is_mounted_with_its_base_interpreter(tmp_path: Path) -> None:
    (tmp_path / "env/bin").mkdir(parents=True)
    (tmp_path / "env/bin/python3").touch()
    (tmp_path / "env/pyvenv.cfg").write_text(f"home = {tmp_path}/base/bin\nversion = 3\n")
    assert tmp_path / "base" in runtime_paths(RuntimePaths((tmp_path / "env/bin",)))


@pytest.mark.parametrize("home", ["/root", "/home/ann", str(Path.home()), f"{Path.home()}/.local"])
def test_home_folder_with_programs_is_not_mounted_completely(home: str) -> None:
    found = {str(one) for one in runtime_paths(RuntimePaths((Path(home, "bin"),)))}
    assert f"{home}/bin" in found
    assert home not in found


def test_cache_that_uv_links_to_is_mounted(tmp_path: Path) -> None:
    kept = tmp_path / "cache/archive-v0/x/six.dist-info/METADATA"
    packages = tmp_path / "env/lib/python3.12/site-packages/six.dist-info"
    for one in (kept.parent, packages, tmp_path / "env/bin"):
        one.mkdir(parents=True)
    kept.touch()
    (packages / "METADATA").symlink_to(kept)
    assert tmp_path / "cache/archive-v0" in runtime_paths(RuntimePaths((tmp_path / "env/bin",)))
