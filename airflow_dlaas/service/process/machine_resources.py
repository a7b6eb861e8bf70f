"""The CPUs and the memory that this process may use: those of the machine, or less in a group that has limits."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from airflow_dlaas.service.process.cgroup_discovery import own_directories

KIB = 1024


def usable_cpus() -> float:
    """Return the number of CPUs."""
    return min([float(len(os.sched_getaffinity(0))), *_own_limits("cpu")])


def usable_memory() -> int | None:
    """Return the bytes of memory; None if they are not known."""
    total = None
    with suppress(OSError, ValueError, IndexError):
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        total = next(int(line.split()[1]) * KIB for line in lines if line.startswith("MemTotal:"))
    limits = [int(one) for one in _own_limits("memory")]
    return min([total, *limits]) if total is not None else None


def cgroup_limits(controller: str, mountinfo: str, proc_cgroup: str) -> list[float]:
    """Return the limits of ``cpu`` (CPUs) or ``memory`` (bytes) in this process's groups and those above them."""
    read = _cpu_limit if controller == "cpu" else _memory_limit
    found = []
    for version, directory in own_directories(mountinfo, proc_cgroup):
        with suppress(OSError, ValueError):
            found.append(read(version, directory))
    return [one for one in found if one is not None]


def _own_limits(controller: str) -> list[float]:
    try:
        mountinfo = Path("/proc/self/mountinfo").read_text("utf-8", "replace")
        return cgroup_limits(controller, mountinfo, Path("/proc/self/cgroup").read_text("utf-8", "replace"))
    except OSError:
        return []


def _cpu_limit(version: int, directory: Path) -> float | None:
    if version == 2:
        quota, period = (directory / "cpu.max").read_text("ascii").split()
    else:
        quota, period = ((directory / f"cpu.cfs_{one}_us").read_text("ascii") for one in ("quota", "period"))
    return None if quota.strip() in ("max", "-1") else int(quota) / int(period)


def _memory_limit(version: int, directory: Path) -> float | None:
    file = directory / ("memory.max" if version == 2 else "memory.limit_in_bytes")
    text = file.read_text("ascii").strip()
    return None if text == "max" else int(text)  # without a limit, version 1 has a number larger than any memory
