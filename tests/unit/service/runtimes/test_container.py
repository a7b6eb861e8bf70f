from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from airflow_dlaas.contract.definition import Framework
from airflow_dlaas.contract.resource_report import ResourceAmounts
from airflow_dlaas.exceptions import HostError, InvalidRequest
from airflow_dlaas.service.runtimes.catalogue import RuntimeCatalogue
from airflow_dlaas.service.runtimes.catalogue_file import CatalogueEntry
from airflow_dlaas.service.runtimes.container import (
    AVAILABLE_TTL,
    UNAVAILABLE_TTL,
    ContainerRun,
    EngineCheck,
    container_command,
    find_engine,
    limit_arguments,
    removal_command,
)
from airflow_dlaas.service.runtimes.probe import check_entry
from airflow_dlaas.service.runtimes.provision import provision_runtime


def command_line(engine: str, gpus: tuple[str, ...]) -> list[str]:
    return container_command(
        engine,
        ContainerRun(
            image="site/torch7",
            name="dlaas-training-abcdefghi",
            command=["/bin/sh", "-c", "th cnn.lua"],
            folders=[Path("/jobs/a/code"), Path("/jobs/a/data")],
            workdir=Path("/jobs/a/code"),
            environment={"DATA_DIR": "/jobs/a/data", "PATH": "/usr/bin", "CUDA_VISIBLE_DEVICES": "1"},
            gpus=gpus,
            user=(1000, 1000),
        ),
    )


def test_container_command_mounts_directories_at_their_paths_and_keeps_path_of_the_image() -> None:
    assert command_line("/usr/bin/podman", ()) == [
        "/usr/bin/podman",
        "run",
        "--rm",
        "--name=dlaas-training-abcdefghi",
        "--init",
        "--workdir=/jobs/a/code",
        "--volume=/jobs/a/code:/jobs/a/code",
        "--volume=/jobs/a/data:/jobs/a/data",
        "--env=DATA_DIR=/jobs/a/data",
        "--entrypoint=",
        "site/torch7",
        "/bin/sh",
        "-c",
        "th cnn.lua",
    ]


def test_container_command_selects_gpus_by_the_options_of_each_engine() -> None:
    assert "--device=nvidia.com/gpu=1" in command_line("/usr/bin/podman", ("0", "1"))
    assert '--gpus="device=0,1"' in command_line("/usr/bin/docker", ("0", "1"))
    assert "--user=1000:1000" in command_line("/usr/bin/docker", ())


def test_limits_of_a_container_are_options_of_its_engine() -> None:
    limits = ResourceAmounts(gpus=0, cpus=1.5, memory=2**30, shared_memory=2**20)
    assert limit_arguments(limits) == [
        "--cpus=1.5",
        "--memory=1073741824",
        "--memory-swap=1073741824",
        "--shm-size=1048576",
    ]


def test_removal_command_names_the_container() -> None:
    assert removal_command("docker", "a") == ["docker", "rm", "--force", "a"]


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
    assert find_engine() == str(tmp_path / "docker")
    programs(podman='test "$1" = info')
    assert find_engine() == str(tmp_path / "podman")


def test_without_an_engine_both_are_named(programs: Callable[..., None]) -> None:
    programs()
    with pytest.raises(HostError, match="neither podman nor docker is installed"):
        find_engine()


def test_container_entry_is_available_only_if_an_engine_answers(programs: Callable[..., None], tmp_path: Path) -> None:
    entry = CatalogueEntry(framework="torch", version="7", kind="container", image="site/torch7", provides="Lua Torch")
    programs(docker=NO_DAEMON)
    catalogue = RuntimeCatalogue(
        (entry,), unavailable_reasons={entry.key: str(check_entry(entry))}, check_entry=check_entry
    )
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
    catalogue = RuntimeCatalogue(
        entries, unavailable_reasons={one.key: str(ask(one)) for one in entries}, check_entry=ask
    )
    for _ in range(3):
        assert ["daemon" in str(one.unavailable) for one in catalogue.list_runtimes()] == [True, True]
    with pytest.raises(InvalidRequest, match="daemon"):
        catalogue.resolve(Framework(name="torch", version="7"), "th a.lua")
    assert (tmp_path / "asked").read_text() == "asked\n"
