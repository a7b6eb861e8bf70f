"""Measures memory and CPU of a command's processes, and its reserved GPUs."""

from __future__ import annotations

import csv
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from itertools import chain, repeat
from pathlib import Path
from threading import Event

import psutil

from airflow_dlaas._util.atomic_write import atomic_write_text
from airflow_dlaas._util.threads import background_thread
from airflow_dlaas.contract.training import GpuUsage, ResourceUsage
from airflow_dlaas.service.learner.usage_history import UsageHistoryFile

MEASURE_INTERVAL = 5.0
"""Seconds between two measurements."""

FIRST_PAUSES = (0.5, 0.5, 1.0, 2.0)
"""Seconds before the first measurements: a command that runs for seconds has some, too."""

NVIDIA_SMI_TIMEOUT = 5.0
"""Seconds for nvidia-smi; it hangs if the driver does."""

NVIDIA_SMI_FIELDS = ("index", "uuid", "utilization.gpu", "memory.used", "memory.total")
MIB = 1024**2

MIG_PREFIX = "MIG-"
"""Beginning of the UUID of a slice of a GPU."""


@contextmanager
def record_usage(
    current: Path, history: Path, gpus: Sequence[str], on_usage: Callable[[ResourceUsage], None]
) -> Iterator[None]:
    """
    Measure the usage of this process's descendants while the block runs: at once, and each `MEASURE_INTERVAL` seconds.

    The file *current* has the last measurement, and is removed at the end of the block; *history* gets all of them
    (`UsageHistoryFile`) and stays; *on_usage* is called with each. Nothing is synced to disk, because the figures are
    worthless after a crash. What cannot be measured or written is skipped; no training fails because of it.
    """

    def body(done: Event) -> None:
        meter, history_file = UsageMeter(gpus), UsageHistoryFile(history, interval=MEASURE_INTERVAL)
        pauses = chain(FIRST_PAUSES, repeat(MEASURE_INTERVAL))
        while not done.wait(next(pauses)):
            with suppress(OSError, psutil.Error):
                usage = meter.measure()
                on_usage(usage)
                history_file.add(usage)
                atomic_write_text(current, usage.model_dump_json())
        with suppress(OSError):
            history_file.flush()

    try:
        # With a timeout: a hanging driver cannot be killed.
        with background_thread(body, name="usage", join_timeout=NVIDIA_SMI_TIMEOUT):
            yield
    finally:
        with suppress(OSError):
            current.unlink(missing_ok=True)


class UsageMeter:
    """Measures all descendants of this process, and *gpus*. Not thread-safe."""

    def __init__(self, gpus: Sequence[str]) -> None:
        self._gpus = gpus
        self._cpu_seconds: dict[psutil.Process, float] = {}
        self._measured_at = time.monotonic()

    def measure(self) -> ResourceUsage:
        """
        Return the usage now; of CPU, since the last call or since this object was made.

        A new process counts from its start. The CPU time after the last measurement of a process is not known once it
        has ended.
        """
        memory, cpu_seconds, seen = 0, 0.0, dict[psutil.Process, float]()
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                memory += process.memory_info().rss
                times = process.cpu_times()
                seen[process] = times.user + times.system
                cpu_seconds += seen[process] - self._cpu_seconds.get(process, 0.0)
        now, before = time.monotonic(), self._measured_at
        self._cpu_seconds, self._measured_at = seen, now
        return ResourceUsage(
            at=datetime.now(timezone.utc),
            memory_bytes=memory,
            cpu_percent=round(100 * cpu_seconds / (now - before), 1) if now > before else None,
            gpus=parse_gpu_usage(_query_nvidia_smi(), self._gpus) if self._gpus else (),
        )


def parse_gpu_usage(csv_text: str, reserved_gpus: Sequence[str]) -> tuple[GpuUsage, ...]:
    """
    Return the usage of *reserved_gpus* (index or UUID) from nvidia-smi's output with `NVIDIA_SMI_FIELDS`.

    It has no line for a slice of a GPU (MIG), whose figures are therefore absent.
    """
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
    known = {one.name for one in found}
    slices = (one for one in reserved_gpus if one.startswith(MIG_PREFIX) and one not in known)
    return (*found, *(GpuUsage(name=one) for one in slices))


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
