"""The report of a command's resources, on a tree of plain files in place of the kernel's."""

from __future__ import annotations

import logging
from datetime import datetime, timezone
from pathlib import Path

from airflow_dlaas.contract.resource_report import ResourceAmounts
from airflow_dlaas.contract.training import ResourceUsage
from airflow_dlaas.service.job_files import JobDirectory, read_job_file
from airflow_dlaas.service.job_reports import ResourcesFile
from airflow_dlaas.service.job_spec import JobSpec, RuntimeSpec
from airflow_dlaas.service.learner.command_resources import CommandResources, OutOfMemory, limit_resources
from airflow_dlaas.service.process.cgroups import Cgroup

GIVEN = ResourceAmounts(gpus=0, cpus=1.0, memory=2**20, shared_memory=4096)


def a_spec(cgroups: str = "off") -> JobSpec:
    return JobSpec(
        training_id="training-a",
        command="true",
        runtime=RuntimeSpec(key="a", kind="venv", provides="a"),
        code=Path("code.zip"),
        environments=Path("environments"),
        gpus=(),
        given=GIVEN,
        cgroups=cgroups,
    )


def read(job: JobDirectory) -> ResourcesFile:
    report = read_job_file(job.resources, ResourcesFile)
    assert report is not None
    return report


def measured(memory: int, cpu_percent: float) -> ResourceUsage:
    return ResourceUsage(at=datetime.now(timezone.utc), memory_bytes=memory, cpu_percent=cpu_percent)


def test_command_without_a_group_runs_as_it_is_and_is_measured(tmp_path: Path, logger: logging.Logger) -> None:
    job = JobDirectory(tmp_path)
    with limit_resources(job, a_spec(), by_engine=False, limits_shared_memory=False, logger=logger) as resources:
        assert resources.enter(["a", "b"]) == ["a", "b"]
        assert read(job).enforced_by == "none: switched off by DLAAS_CGROUPS"
        resources.add_usage(measured(500, 100.0))
        resources.add_usage(measured(300, 50.0))
        assert read(job).used == ResourceAmounts(cpus=0.75, memory=500)
    assert (read(job).given, read(job).enforced) == (GIVEN, ())
    assert resources.out_of_memory is None


def test_sandbox_enforces_shared_memory_without_a_group(tmp_path: Path, logger: logging.Logger) -> None:
    job = JobDirectory(tmp_path)
    with limit_resources(job, a_spec(), by_engine=False, limits_shared_memory=True, logger=logger):
        assert read(job).enforced == ("shared_memory",)


def test_container_engine_enforces_all_limits(tmp_path: Path, logger: logging.Logger) -> None:
    job = JobDirectory(tmp_path)
    with limit_resources(job, a_spec(), by_engine=True, limits_shared_memory=False, logger=logger) as resources:
        assert resources.enter(["docker"]) == ["docker"]
    report = read(job)
    assert (report.enforced, report.enforced_by) == (("cpus", "memory", "shared_memory"), "container")
    assert report.used is None


def test_killed_process_is_reported_with_peak_and_limit(tmp_path: Path, logger: logging.Logger) -> None:
    group = Cgroup(2, {"memory": tmp_path / "group"})
    (tmp_path / "group").mkdir()
    (tmp_path / "group/memory.peak").write_text("1048576\n")
    (tmp_path / "group/memory.events").write_text("oom_kill 1\n")
    for enforced, limit in ((("memory",), 2**20), ((), None)):
        report = ResourcesFile(given=GIVEN, enforced=enforced, enforced_by=group.description)
        resources = CommandResources(JobDirectory(tmp_path), report, group)
        resources.finish(logger)
        assert resources.out_of_memory == OutOfMemory(limit, 2**20)
    used = read(JobDirectory(tmp_path)).used
    assert used is not None
    assert used.memory == 2**20
