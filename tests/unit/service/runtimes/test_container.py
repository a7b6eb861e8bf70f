from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from airflow_dlaas.contract.definition import Framework
from airflow_dlaas.contract.resource_report import ResourceAmounts
from airflow_dlaas.exceptions import HostError, InvalidRequest
from airflow_dlaas.service.runtimes.catalogue import RuntimeCatalogue
from airflow_dlaas.service.runtimes.catalogue_file import CatalogueEntry
from airflow_dlaas.service.runtimes.container import AVAILABLE_TTL, UNAVAILABLE_TTL, EngineCheck, find_engine
from airflow_dlaas.service.runtimes.container_engines import Apptainer, Docker, Podman, engine_at
from airflow_dlaas.service.runtimes.container_run import RUN_COMMAND, ContainerRun
from airflow_dlaas.service.runtimes.entry_checks import EntryChecks
from airflow_dlaas.service.runtimes.probe import check_entry
from airflow_dlaas.service.runtimes.provision import provision_runtime


def command_line(engine: str, gpus: tuple[str, ...] = (), **more: Any) -> list[str]:
    run = ContainerRun(
        image="site/torch7",
        name="dlaas-training-abcdefghi",
        command=["/bin/sh", "-c", "th cnn.lua"],
        folders=[Path("/jobs/a/code"), Path("/jobs/a/data")],
        workdir=Path("/jobs/a/code"),
        environment_file=Path("/jobs/a/container-environment"),
        gpus=gpus,
        user=(1000, 1000),
    )
    return engine_at(engine).run_command(replace(run, **more))


INSIDE = [
    *("/bin/sh", "-c", RUN_COMMAND, "/jobs/a/container-environment"),
    *("/bin/sh", "-c", "th cnn.lua"),
]


def test_podman_mounts_directories_at_their_paths_and_reads_the_variables_from_a_file() -> None:
    assert command_line("/usr/bin/podman") == [
        "/usr/bin/podman",
        "run",
        "--rm",
        "--name=dlaas-training-abcdefghi",
        "--init",
        "--workdir=/jobs/a/code",
        "--volume=/jobs/a/code:/jobs/a/code",
        "--volume=/jobs/a/data:/jobs/a/data",
        "--volume=/jobs/a/container-environment:/jobs/a/container-environment:ro",
        "--entrypoint=",
        "site/torch7",
        *INSIDE,
    ]


@pytest.mark.parametrize("engine", ["/usr/bin/podman", "/usr/bin/docker", "/usr/bin/apptainer"])
def test_local_data_is_read_only_and_a_link_is_seen_as_its_target(engine: str, tmp_path: Path) -> None:
    (tmp_path / "digits").mkdir()
    (tmp_path / "data").symlink_to(tmp_path / "digits")
    option = "--bind" if engine.endswith("apptainer") else "--volume"
    line = command_line(engine, read_only=[tmp_path / "data"])
    assert f"{option}={(tmp_path / 'digits').resolve()}:{tmp_path / 'data'}:ro" in line


def test_apptainer_contains_everything_and_takes_references_from_a_registry() -> None:
    assert command_line("/usr/bin/apptainer") == [
        "/usr/bin/apptainer",
        "exec",
        "--containall",
        "--pwd=/jobs/a/code",
        "--bind=/jobs/a/code:/jobs/a/code",
        "--bind=/jobs/a/data:/jobs/a/data",
        "--bind=/jobs/a/container-environment:/jobs/a/container-environment:ro",
        "docker://site/torch7",
        *INSIDE,
    ]
    assert "/images/torch.sif" in command_line("/usr/bin/apptainer", image="/images/torch.sif")
    assert "oras://r.example.org/x:1" in command_line("/usr/bin/apptainer", image="oras://r.example.org/x:1")


def test_gpus_are_selected_by_the_options_of_each_engine() -> None:
    assert "--device=nvidia.com/gpu=1" in command_line("/usr/bin/podman", ("0", "1"))
    assert '--gpus="device=0,1"' in command_line("/usr/bin/docker", ("0", "1"))
    assert "--nv" in command_line("/usr/bin/apptainer", ("0",))
    assert "--user=1000:1000" in command_line("/usr/bin/docker")


def test_sigterm_reaches_all_processes_of_a_container_that_are_no_descendants_of_the_learner() -> None:
    assert "--env=TINI_KILL_PROCESS_GROUP=1" in command_line("/usr/bin/docker")
    assert not any("TINI" in one for one in command_line("/usr/bin/podman"))


@pytest.mark.parametrize(
    ("command", "exit_code"),
    [('test "$WORD" = "a b"', 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill -TERM $PPID; exit 5", 5)],
)
def test_script_in_a_container_has_the_variables_and_ends_as_its_command(
    tmp_path: Path, command: str, exit_code: int
) -> None:
    (tmp_path / "environment").write_text("export WORD='a b'\n")
    line = ["/bin/sh", "-c", RUN_COMMAND, str(tmp_path / "environment"), "/bin/sh", "-c", command]
    assert subprocess.run(line, timeout=60, check=False).returncode == exit_code


@pytest.mark.parametrize("name", ["podman", "docker"])
def test_limits_are_options_of_engines(name: str) -> None:
    limits = ResourceAmounts(cpus=2.5, memory=4096, shared_memory=64)
    line = command_line(f"/usr/bin/{name}", limits=limits)
    assert {"--cpus=2.5", "--memory=4096", "--memory-swap=4096", "--shm-size=64"} <= set(line)


def test_only_apptainer_leaves_the_limits_to_the_learner() -> None:
    """Its containers are processes of the learner."""
    enforce = {one: engine_at(f"/usr/bin/{one}").limits_resources for one in ("podman", "docker", "apptainer")}
    assert enforce == {"podman": True, "docker": True, "apptainer": False}
    limits = ResourceAmounts(cpus=2.5, memory=4096, shared_memory=64)
    assert command_line("/usr/bin/apptainer", limits=limits) == command_line("/usr/bin/apptainer")


def test_each_engine_leaves_the_variables_to_the_container_that_it_has_to_leave() -> None:
    excluded = {one: set(engine_at(f"/usr/bin/{one}").excluded_variables) for one in ("podman", "docker", "apptainer")}
    both = {"PATH", "CUDA_VISIBLE_DEVICES"}  # of several GPUs, apptainer shows all: the variable selects
    assert excluded == {"podman": both, "docker": both, "apptainer": {"PATH"}}


def test_containers_of_podman_and_docker_are_removed_by_name() -> None:
    assert engine_at("/usr/bin/docker").removal_command("a") == ["/usr/bin/docker", "rm", "--force", "a"]
    assert engine_at("/usr/bin/podman").removal_command("a") == ["/usr/bin/podman", "rm", "--force", "a"]
    assert engine_at("/usr/bin/apptainer").removal_command("a") is None


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that installs shell scripts as engines on a PATH of their own."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def install(**scripts: str) -> None:
        for name, script in scripts.items():
            (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
            (tmp_path / name).chmod(0o755)

    return install


NO_DAEMON = "echo 'Client: 29'; echo 'Cannot connect to the Docker daemon at unix:///run/docker.sock.' >&2; exit 1"


def test_engine_without_its_daemon_is_unavailable(programs: Callable[..., None]) -> None:
    programs(docker=NO_DAEMON)
    with pytest.raises(HostError, match=r"no container engine answers: docker: Cannot connect to the Docker daemon"):
        find_engine()


def test_hanging_engine_is_unavailable(programs: Callable[..., None]) -> None:
    programs(podman="exec /bin/sleep 60", docker="exec /bin/sleep 60")
    late = r"no answer within 0\.2 seconds"
    with pytest.raises(HostError, match=f"podman: {late}; docker: {late}"):
        find_engine(timeout=0.2)


def test_first_engine_that_answers_is_used(programs: Callable[..., None], tmp_path: Path) -> None:
    programs(podman="echo 'cannot re-exec process' >&2; exit 125", docker='test "$1" = version')
    assert find_engine() == Docker(str(tmp_path / "docker"))
    programs(podman='test "$1" = info')
    assert find_engine() == Podman(str(tmp_path / "podman"))


def test_apptainer_is_used_if_neither_podman_nor_docker_answers(programs: Callable[..., None], tmp_path: Path) -> None:
    programs(docker=NO_DAEMON, apptainer='test "$1" = version')
    assert find_engine() == Apptainer(str(tmp_path / "apptainer"))


def test_without_an_engine_all_are_named(programs: Callable[..., None]) -> None:
    programs()
    with pytest.raises(HostError, match="neither podman nor docker nor apptainer is installed"):
        find_engine()


def test_container_entry_is_available_only_if_an_engine_answers(programs: Callable[..., None], tmp_path: Path) -> None:
    entry = CatalogueEntry(framework="torch", version="7", kind="container", image="site/torch7", provides="Lua Torch")
    programs(docker=NO_DAEMON)
    catalogue = RuntimeCatalogue((entry,), check_entry=check_entry)
    with pytest.raises(HostError, match="daemon"):
        provision_runtime(entry.to_spec(has_gpus=False), tmp_path / "environments", [].append)
    [listed] = catalogue.list_runtimes()
    assert "Cannot connect to the Docker daemon" in (listed.unavailable or "")
    with pytest.raises(InvalidRequest, match=r"torch 7 cannot be used now: .*daemon.*; this service has no runtime"):
        catalogue.resolve(Framework(name="torch", version="7"), "th a.lua")
    programs(docker="exit 0")  # the daemon was started meanwhile
    assert [one.unavailable for one in catalogue.list_runtimes()] == [None]
    assert catalogue.resolve(Framework(name="torch", version="7"), "th a.lua").image == "site/torch7"
    programs(docker=NO_DAEMON)
    assert "daemon" in (catalogue.list_runtimes()[0].unavailable or "")


class Engine:
    """An engine that is available or not, and counts the queries."""

    def __init__(self) -> None:
        self.queries = 0
        self.reason: str | None = None
        self.during_query: Callable[[], object] = lambda: None

    def find(self) -> str:
        self.queries += 1
        self.during_query()
        if self.reason is not None:
            raise HostError(self.reason)
        return "/usr/bin/docker"


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.mark.parametrize(("reason", "ttl"), [(None, AVAILABLE_TTL), ("docker: no answer", UNAVAILABLE_TTL)])
def test_engine_check_caches_the_answer(reason: str | None, ttl: float) -> None:
    engine, clock = Engine(), Clock()
    engine.reason = reason
    check = EngineCheck(engine.find, clock=clock)
    assert [check.failure_reason() for _ in range(3)] == [reason] * 3
    clock.seconds += ttl - 1
    assert (check.failure_reason(), engine.queries) == (reason, 1)
    clock.seconds += 1
    engine.reason = "docker: stopped"
    assert (check.failure_reason(), engine.queries) == ("docker: stopped", 2)


def test_engine_check_caches_a_late_answer_from_its_end_on() -> None:
    engine, clock = Engine(), Clock()
    engine.reason = "docker: no answer within 10 seconds"

    def take_longer_than_the_ttl() -> None:
        clock.seconds += 2 * UNAVAILABLE_TTL

    engine.during_query = take_longer_than_the_ttl
    check = EngineCheck(engine.find, clock=clock)
    assert [check.failure_reason(), check.failure_reason()] == [engine.reason] * 2
    assert engine.queries == 1


def test_concurrent_calls_of_the_engine_check_share_one_query() -> None:
    engine, begun, answered = Engine(), threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        assert answered.wait(30)

    engine.during_query = hang
    check = EngineCheck(engine.find, clock=Clock())
    found: list[str | None] = []
    threads = [threading.Thread(target=lambda: found.append(check.failure_reason()), daemon=True) for _ in range(8)]
    for one in threads:
        one.start()
    assert begun.wait(30)
    answered.set()
    for one in threads:
        one.join(30)
    assert (found, engine.queries) == ([None] * 8, 1)


def test_other_threads_get_the_previous_answer_during_a_query() -> None:
    engine, clock, begun, answered = Engine(), Clock(), threading.Event(), threading.Event()
    check = EngineCheck(engine.find, clock=clock)
    assert check.failure_reason() is None
    clock.seconds += AVAILABLE_TTL
    engine.reason = "docker: no answer within 10 seconds"

    def hang() -> None:
        begun.set()
        assert answered.wait(30)

    engine.during_query = hang
    asking = threading.Thread(target=check.failure_reason, daemon=True)
    asking.start()
    assert begun.wait(30)
    assert check.failure_reason() is None
    answered.set()
    asking.join(30)
    assert (check.failure_reason(), engine.queries) == (engine.reason, 2)


def test_engine_check_queries_again_after_an_exception() -> None:
    engine = Engine()

    def fail() -> None:
        raise RuntimeError("can't start new thread")

    engine.during_query = fail
    check = EngineCheck(engine.find, clock=Clock())
    with pytest.raises(RuntimeError):
        check.failure_reason()
    engine.during_query = lambda: None
    assert (check.failure_reason(), engine.queries) == (None, 2)


def test_list_of_runtimes_uses_the_cached_engine_check(programs: Callable[..., None], tmp_path: Path) -> None:
    entries = tuple(
        CatalogueEntry(framework="torch", version=one, kind="container", image="site/torch7", provides="Lua Torch")
        for one in ("7", "8")
    )
    programs(docker=f"echo asked >> {tmp_path}/asked; {NO_DAEMON}")
    ask = partial(check_entry, engine_check=EngineCheck(clock=Clock()).failure_reason)
    catalogue = RuntimeCatalogue(entries, check_entry=EntryChecks(ask))
    for _ in range(3):
        assert ["daemon" in str(one.unavailable) for one in catalogue.list_runtimes()] == [True, True]
    with pytest.raises(InvalidRequest, match="daemon"):
        catalogue.resolve(Framework(name="torch", version="7"), "th a.lua")
    assert (tmp_path / "asked").read_text() == "asked\n"
