"""
The control group (cgroup) of one training: its limits, its processes, what it used, and its removal.

A group of version 1 has one directory for each controller, a group of version 2 one for all. The limits hold for all
processes in the group together, and each process that one of them starts is in it from its first instruction on.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.process.cgroup_discovery import CgroupParents, find_parents, parse_mounts

CPU_PERIOD = 100_000
"""Microseconds in which a group may use its share of CPU time; the kernel's default."""

MIN_CPU_QUOTA = 1_000
"""Microseconds of CPU time in each period; the kernel accepts no less."""

REMOVAL_TIMEOUT = 5.0
"""Seconds to wait for the processes of a group to end; one that hangs in the kernel is not waited for any longer."""

POLL_INTERVAL = 0.02
"""Seconds between two attempts to remove a group."""

ENTER_TIMEOUT = 10.0
"""Seconds for a shell to enter a group as a test; it takes milliseconds."""

SHELL = "/bin/sh"

ENTER_SCRIPT = 'while [ "$1" != -- ]; do echo 0 > "$1/cgroup.procs" || exit 126; shift; done; shift; exec "$@"'
"""Moves the shell into the groups before ``--``, then replaces it by the command after it. 0 is the writer itself."""


@dataclass(frozen=True, slots=True)
class Cgroup:
    """The group of one training, in one or more directories."""

    version: int
    by_controller: dict[str, Path]
    """The directory of each controller that is available."""

    @property
    def directories(self) -> tuple[Path, ...]:
        """Its directories, each once."""
        return tuple(dict.fromkeys(self.by_controller.values()))

    @property
    def description(self) -> str:
        """``cgroup v1`` or ``cgroup v2``."""
        return f"cgroup v{self.version}"

    def create(self) -> None:
        """
        Make the directories, and check that a process can enter them.

        A directory that exists is used again: a learner that was lost has left it.

        :raises HostError: a process cannot enter them. Nothing is left then.
        :raises OSError: they cannot be made.
        """
        try:
            for directory in self.directories:
                directory.mkdir(exist_ok=True)
            test = subprocess.run(
                self.enter(["true"]), capture_output=True, text=True, timeout=ENTER_TIMEOUT, check=False
            )
        except (OSError, subprocess.SubprocessError):
            remove_groups(self.directories)
            raise
        if test.returncode != 0:
            remove_groups(self.directories)
            raise HostError(f"no process can enter {self.directories[0]}: {test.stderr.strip()[-200:]}")

    def limit_memory(self, limit: int) -> None:
        """
        Limit the memory of all processes together to *limit* bytes, without swap.

        :raises OSError: the kernel refuses it.
        """
        directory = self.by_controller["memory"]
        if self.version == 2:
            (directory / "memory.max").write_text(str(limit), "ascii")
            _write_if_there(directory / "memory.swap.max", "0")
        else:
            # The limit with swap must never be below the one without.
            (directory / "memory.limit_in_bytes").write_text(str(limit), "ascii")
            _write_if_there(directory / "memory.memsw.limit_in_bytes", str(limit))

    def limit_cpus(self, cpus: float) -> None:
        """
        Limit the CPU time of all processes together to that of *cpus* CPUs.

        :raises OSError: the kernel refuses it.
        """
        directory, quota = self.by_controller["cpu"], max(MIN_CPU_QUOTA, round(cpus * CPU_PERIOD))
        if self.version == 2:
            (directory / "cpu.max").write_text(f"{quota} {CPU_PERIOD}", "ascii")
        else:
            (directory / "cpu.cfs_period_us").write_text(str(CPU_PERIOD), "ascii")
            (directory / "cpu.cfs_quota_us").write_text(str(quota), "ascii")

    def enter(self, argv: Sequence[str]) -> list[str]:
        """
        Return the argument list that runs *argv* as a process of the group.

        A shell enters the group and then becomes the command: no process of the command is ever outside.
        """
        return [SHELL, "-c", ENTER_SCRIPT, SHELL, *map(str, self.directories), "--", *argv]

    def peak_memory(self) -> int | None:
        """
        Return the most memory in bytes that the group had at one time; None if the kernel does not count it.

        The kernel counts what it keeps of files that the processes read, as far as there is space within the limit.
        """
        names = ("memory.peak", "memory.current") if self.version == 2 else ("memory.max_usage_in_bytes",)
        if (directory := self.by_controller.get("memory")) is not None:
            for name in names:
                with suppress(OSError, ValueError):
                    return int((directory / name).read_text("ascii"))
        return None

    def out_of_memory_kills(self) -> int:
        """Return how many of the group's processes the kernel has killed because memory ran out."""
        directory = self.by_controller.get("memory")
        if directory is None:
            return 0
        with suppress(OSError, ValueError):
            file = directory / ("memory.events" if self.version == 2 else "memory.oom_control")
            for line in file.read_text("ascii").splitlines():
                name, _, number = line.partition(" ")
                if name == "oom_kill":
                    return int(number)
        return 0

    def remove(self) -> None:
        """
        Kill the processes that are left in the group, and remove it.

        :raises OSError: it could not be removed within `REMOVAL_TIMEOUT` seconds.
        """
        remove_groups(self.directories)


def group_name(training_id: str) -> str:
    """Return the name of a training's group. There is one at most: the command of a training is started once."""
    return f"dlaas-{training_id}"


def find_group(setting: str, name: str) -> Cgroup:
    """
    Return the group called *name*, which may not exist yet.

    :param setting: see `find_parents`.
    :raises HostError: no group can be made on this machine; the message has the reason.
    """
    parents = current_parents(setting)
    return Cgroup(parents.version, {one: parent / name for one, parent in parents.by_controller.items()})


def current_parents(setting: str) -> CgroupParents:
    """Return the groups in which this process may make groups; see `find_parents`."""
    try:
        mountinfo = Path("/proc/self/mountinfo").read_text("utf-8", "replace")
        own = Path("/proc/self/cgroup").read_text("utf-8", "replace")
    except OSError as error:
        raise HostError(f"this machine has no cgroups: {error.strerror}") from error
    return find_parents(setting, mountinfo, own)


def is_cgroup_directory(directory: Path, mountinfo: str) -> bool:
    """Return whether *directory* is below a mounted hierarchy of *mountinfo*, without ``..``."""
    return ".." not in directory.parts and any(
        directory.is_relative_to(one.mount_point) for one in parse_mounts(mountinfo)
    )


def remove_groups(directories: Iterable[Path]) -> None:
    """
    Kill all processes in the groups *directories*, and in the groups below, and remove these; no error without them.

    :raises OSError: one could not be removed within `REMOVAL_TIMEOUT` seconds.
    """
    deadline = time.monotonic() + REMOVAL_TIMEOUT
    for directory in directories:
        for group in sorted(_with_descendants(directory), key=lambda one: len(one.parts), reverse=True):
            while not _try_to_remove(group, give_up=time.monotonic() >= deadline):
                time.sleep(POLL_INTERVAL)


def _with_descendants(directory: Path) -> list[Path]:
    return [Path(found) for found, _, _ in os.walk(directory)]


def _try_to_remove(group: Path, *, give_up: bool) -> bool:
    """Kill the processes in *group* and try to remove it; return whether it no longer exists."""
    try:
        group.rmdir()
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno != errno.EBUSY or give_up:
            raise
        for pid in _pids(group):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return False
    return True


def _pids(group: Path) -> list[int]:
    try:
        return [int(one) for one in (group / "cgroup.procs").read_text("ascii").split() if int(one) > 0]
    except OSError:
        return []


def _write_if_there(file: Path, text: str) -> None:
    """Write *text*; no error if the kernel does not count swap."""
    if file.exists():
        file.write_text(text, "ascii")
