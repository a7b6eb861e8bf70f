"""The resources of a job's command: its limits by a control group, and ``resources.json``, which reports them."""

from __future__ import annotations

import logging
import resource
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from airflow_dlaas._util.atomic_write import atomic_write_text
from airflow_dlaas.contract.byte_size import format_bytes
from airflow_dlaas.contract.resource_report import ResourceAmounts
from airflow_dlaas.contract.training import ResourceUsage
from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.job_files import JobDirectory
from airflow_dlaas.service.job_reports import ResourcesFile
from airflow_dlaas.service.job_spec import JobSpec
from airflow_dlaas.service.process.cgroups import Cgroup, find_group, group_name

CONTAINER = "container"


@dataclass(frozen=True, slots=True)
class OutOfMemory:
    """The kernel killed processes of a command because memory ran out."""

    limit: int | None
    """Bytes that the command may use; None: it has no limit, and the machine ran out of memory."""
    peak: int | None
    """The most bytes that it used at one time; None if they are not known."""

    def __str__(self) -> str:
        peak = "not known" if self.peak is None else format_bytes(self.peak)
        if self.limit is None:
            return f"the machine ran out of memory (the command's peak: {peak})"
        return f"the command needed more memory than its limit of {format_bytes(self.limit)} (peak: {peak})"


class CommandResources:
    """
    Limits and measures the processes of one command. Made by `limit_resources`.

    A limit that the machine cannot enforce fails no training: the report names those that are enforced.
    """

    def __init__(self, job: JobDirectory, report: ResourcesFile, group: Cgroup | None) -> None:
        self._job = job
        self._report = report
        self._group = group
        self._started_at, self._children_before = time.monotonic(), _children_cpu_seconds()
        self._cpu_percent: list[float] = []
        self._memory = 0
        self.out_of_memory: OutOfMemory | None = None
        """Set at the end: whether memory ran out."""

    @property
    def are_kills_counted(self) -> bool:
        """Whether the kernel counts processes that it kills because memory ran out."""
        return self._group is not None and "memory" in self._group.by_controller

    def enter(self, argv: Sequence[str]) -> list[str]:
        """Return the argument list that runs *argv* with the limits."""
        return list(argv) if self._group is None else self._group.enter(argv)

    def add_usage(self, usage: ResourceUsage) -> None:
        """Add a measurement, and report the use so far. What cannot be written is skipped."""
        self._memory = max(self._memory, usage.memory_bytes or 0)
        if usage.cpu_percent is not None:
            self._cpu_percent.append(usage.cpu_percent)
        with suppress(OSError):
            self._write(self._used(self._mean_measured_cpus()))

    def finish(self, logger: logging.Logger) -> None:
        """Remove the group, with all processes in it, and report what was used."""
        report, group = self._report, self._group
        if report.enforced_by != CONTAINER:  # a container's processes may not be children of this one
            seconds = time.monotonic() - self._started_at
            used = self._used(
                round((_children_cpu_seconds() - self._children_before) / seconds, 2) if seconds else None
            )
            with suppress(OSError):
                self._write(used)
            if group is not None and group.out_of_memory_kills():
                limit = report.given.memory if "memory" in report.enforced else None
                self.out_of_memory = OutOfMemory(limit, used.memory)
        if group is not None:
            try:
                group.remove()
            except OSError as error:
                logger.warning("The control group %s could not be removed: %s", group.directories[0], error.strerror)

    def _used(self, cpus: float | None) -> ResourceAmounts:
        peak = self._group.peak_memory() if self._group is not None else None
        return ResourceAmounts(cpus=cpus, memory=peak or self._memory or None)

    def _mean_measured_cpus(self) -> float | None:
        return round(sum(self._cpu_percent) / len(self._cpu_percent) / 100, 2) if self._cpu_percent else None

    def _write(self, used: ResourceAmounts) -> None:
        content = self._report.model_copy(update={"used": used})
        atomic_write_text(self._job.resources, content.model_dump_json(exclude_none=True))


@contextmanager
def limit_resources(
    job: JobDirectory, spec: JobSpec, *, by_engine: bool, limits_shared_memory: bool, logger: logging.Logger
) -> Iterator[CommandResources]:
    """
    Limit the command that is started in this block to the resources that *spec* gives it.

    :param by_engine: whether a container engine enforces the limits.
    :param limits_shared_memory: whether the sandbox does so for shared memory.
    """
    given = spec.given
    enforced: tuple[str, ...] = ()
    if limits_shared_memory and given.shared_memory is not None:
        enforced = ("shared_memory",)
    group: Cgroup | None = None
    if by_engine:
        enforced = tuple(one for one in ("cpus", "memory", "shared_memory") if getattr(given, one) is not None)
        report = ResourcesFile(given=given, enforced=enforced, enforced_by=CONTAINER)
    else:
        try:
            group = _make_group(job, spec)
        except (HostError, OSError, subprocess.SubprocessError) as error:
            reason = f"none: {error}"
            report = ResourcesFile(given=given, enforced=enforced, enforced_by=reason)
        else:
            enforced = (*_apply_limits(group, given, logger), *enforced)
            report = ResourcesFile(
                given=given, enforced=enforced, enforced_by=group.description, groups=group.directories
            )
    with suppress(OSError):  # a full disk: the training goes on
        atomic_write_text(job.resources, report.model_dump_json(exclude_none=True))
    resources = CommandResources(job, report, group)
    try:
        yield resources
    finally:
        resources.finish(logger)


def _make_group(job: JobDirectory, spec: JobSpec) -> Cgroup:
    """Make the group. Its directories are recorded first, so that they are found if this process is lost."""
    group = find_group(spec.cgroups, group_name(spec.training_id))
    planned = ResourcesFile(given=spec.given, enforced_by=group.description, groups=group.directories)
    atomic_write_text(job.resources, planned.model_dump_json(exclude_none=True))
    group.create()
    return group


def _apply_limits(group: Cgroup, given: ResourceAmounts, logger: logging.Logger) -> Iterator[str]:
    """Apply the limits that *given* has; yield the names of those that the kernel has accepted."""
    limits: list[tuple[str, str, Callable[[], None]]] = []
    if (cpus := given.cpus) is not None:
        limits.append(("cpus", "cpu", lambda: group.limit_cpus(cpus)))
    if (memory := given.memory) is not None:
        limits.append(("memory", "memory", lambda: group.limit_memory(memory)))
    for name, controller, apply in limits:
        if controller not in group.by_controller:
            continue
        try:
            apply()
        except OSError as error:
            logger.warning("The limit of %s is not enforced: %s", name, error)
        else:
            yield name


def _children_cpu_seconds() -> float:
    """Return the CPU time of all descendants that have ended and were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
