"""What the command uses: memory and CPU of all its processes, and of the GPUs it has booked."""

from __future__ import annotations

import csv
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from threading import Event

import psutil

from airflow_dlaas.contract.training import GpuUsage, ResourceUsage
from airflow_dlaas.service.learner.background import alongside

EVERY = 5.0
"""Seconds between two measurements."""

ASKING_LIMIT = 5.0
"""Seconds that nvidia-smi may take; a driver in trouble lets it hang."""

FIELDS = ("index", "uuid", "utilization.gpu", "memory.used", "memory.total")
MIB = 1024**2


@contextmanager
def measuring(path: Path, gpus: Sequence[str]) -> Iterator[None]:
    """
    Write what the processes below this one use to *path* every few seconds, while the block runs.

    Nothing is written durably: after a power failure nobody wants to know. What can't be measured or written is left
    out, since no training fails for that.
    """

    def body(done: Event) -> None:
        known: dict[int, psutil.Process] = {}
        while not done.wait(EVERY):
            with suppress(OSError, psutil.Error):
                _write(path, measure(known, gpus))

    try:
        with alongside(body, patience=ASKING_LIMIT):  # a driver that hangs can't be killed either
            yield
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def measure(known: dict[int, psutil.Process], gpus: Sequence[str]) -> ResourceUsage:
    """
    Measure all processes below this one; *known* keeps them from one time to the next, by pid.

    CPU is what was used since the last time, so a process that is new counts from the next one on.
    """
    memory, percent = 0, 0.0
    here = {one.pid: one for one in psutil.Process().children(recursive=True)}
    for pid, process in here.items():
        one = known.setdefault(pid, process)
        if one != process:  # the pid was given anew
            one = known[pid] = process
        with suppress(psutil.Error):
            memory += one.memory_info().rss
            percent += one.cpu_percent(None)
    for pid in known.keys() - here.keys():
        del known[pid]
    return ResourceUsage(
        at=datetime.now(timezone.utc),
        memory_bytes=memory,
        cpu_percent=round(percent, 1),
        gpus=read_gpus(_ask_gpus(), gpus) if gpus else (),
    )


def read_gpus(table: str, booked: Sequence[str]) -> tuple[GpuUsage, ...]:
    """Read nvidia-smi's *table* (the columns are `FIELDS`) for the *booked* GPUs, named by index or UUID."""
    found: list[GpuUsage] = []
    for row in csv.reader(table.splitlines(), skipinitialspace=True):
        if len(row) != len(FIELDS):
            continue
        index, uuid, busy, used, total = row
        if name := next((one for one in booked if one in (index, uuid)), None):
            found.append(
                GpuUsage(
                    name=name,
                    utilization=_number(busy),
                    memory_used=_bytes(used),
                    memory_total=_bytes(total),
                )
            )
    return tuple(found)


def _ask_gpus() -> str:
    command = ["nvidia-smi", f"--query-gpu={','.join(FIELDS)}", "--format=csv,noheader,nounits"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=ASKING_LIMIT, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def _number(said: str) -> float | None:
    """Read a number; a GPU that has no such figure says "[N/A]"."""
    try:
        return float(said)
    except ValueError:
        return None


def _bytes(mebibytes: str) -> int | None:
    number = _number(mebibytes)
    return None if number is None else int(number * MIB)


def _write(path: Path, usage: ResourceUsage) -> None:
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_text(usage.model_dump_json(), encoding="utf-8")
    aside.replace(path)
