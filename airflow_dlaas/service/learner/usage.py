"""Measures memory and CPU of a command's processes, and its reserved GPUs."""

from __future__ import annotations

import csv
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from threading import Event

import psutil

from airflow_dlaas._util.atomic_write import atomic_write_text
from airflow_dlaas._util.threads import background_thread
from airflow_dlaas.contract.training import GpuUsage, ResourceUsage

MEASURE_INTERVAL = 5.0
"""Seconds between two measurements."""

NVIDIA_SMI_TIMEOUT = 5.0
"""Seconds for nvidia-smi; it hangs if the driver does."""

NVIDIA_SMI_FIELDS = ("index", "uuid", "utilization.gpu", "memory.used", "memory.total")
MIB = 1024**2


@contextmanager
def record_usage(path: Path, gpus: Sequence[str]) -> Iterator[None]:
    """
    Write the usage of this process's descendants to *path* each `MEASURE_INTERVAL` seconds while the block runs.

    Nothing is synced to disk, because the figures are worthless after a crash. What cannot be measured or written is
    skipped; no training fails because of it.
    """

    def body(done: Event) -> None:
        known: dict[int, psutil.Process] = {}
        while not done.wait(MEASURE_INTERVAL):
            with suppress(OSError, psutil.Error):
                _write_usage(path, measure_usage(known, gpus))

    try:
        # With a timeout: a hanging driver cannot be killed.
        with background_thread(body, name="usage", join_timeout=NVIDIA_SMI_TIMEOUT):
            yield
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def measure_usage(processes: dict[int, psutil.Process], gpus: Sequence[str]) -> ResourceUsage:
    """
    Measure all descendants of this process; *processes* keeps them between calls, by pid.

    CPU is the use since the last call, so a new process counts from the next call on.
    """
    memory, percent = 0, 0.0
    here = {one.pid: one for one in psutil.Process().children(recursive=True)}
    for pid, process in here.items():
        one = processes.setdefault(pid, process)
        if one != process:  # the pid was reused
            one = processes[pid] = process
        with suppress(psutil.Error):
            memory += one.memory_info().rss
            percent += one.cpu_percent(None)
    for pid in processes.keys() - here.keys():
        del processes[pid]
    return ResourceUsage(
        at=datetime.now(timezone.utc),
        memory_bytes=memory,
        cpu_percent=round(percent, 1),
        gpus=parse_gpu_usage(_query_nvidia_smi(), gpus) if gpus else (),
    )


def parse_gpu_usage(csv_text: str, reserved_gpus: Sequence[str]) -> tuple[GpuUsage, ...]:
    """Return the usage of *reserved_gpus* (index or UUID) from nvidia-smi's output with `NVIDIA_SMI_FIELDS`."""
    found: list[GpuUsage] = []
    for row in csv.reader(csv_text.splitlines(), skipinitialspace=True):
        if len(row) != len(NVIDIA_SMI_FIELDS):
            continue
        index, uuid, busy, used, total = row
        if name := next((one for one in reserved_gpus if one in (index, uuid)), None):
            found.append(
                GpuUsage(
                    name=name,
                    utilization=_parse_number(busy),
                    memory_used=_mebibytes_to_bytes(used),
                    memory_total=_mebibytes_to_bytes(total),
                )
            )
    return tuple(found)


def _query_nvidia_smi() -> str:
    command = ["nvidia-smi", f"--query-gpu={','.join(NVIDIA_SMI_FIELDS)}", "--format=csv,noheader,nounits"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=NVIDIA_SMI_TIMEOUT, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def _parse_number(text: str) -> float | None:
    """Return the number; None for a figure that the GPU does not have (``[N/A]``)."""
    try:
        return float(text)
    except ValueError:
        return None


def _mebibytes_to_bytes(mebibytes: str) -> int | None:
    number = _parse_number(mebibytes)
    return None if number is None else int(number * MIB)


def _write_usage(path: Path, usage: ResourceUsage) -> None:
    atomic_write_text(path, usage.model_dump_json())
