"""
Who a process is, as Linux tells it.

A pid alone names nobody: pids are reused, and a reboot starts them anew. Together with the moment the process
started and the boot it belongs to, it does.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from airflow_dlaas.service.job_files import ProcessIdentity

PROC = Path("/proc")

DEAD_STATES = {"Z", "X"}
"""States of a process of which only the entry in the table is left. It has no children any more."""


def identify(pid: int) -> ProcessIdentity | None:
    """Say who *pid* is; None when there is no such process, or only what is left of one."""
    fields = _read_stat(pid)
    # https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html: state is field 3, starttime field 22.
    if fields is None or fields[0] in DEAD_STATES:
        return None
    return ProcessIdentity(pid=pid, start_ticks=int(fields[19]), boot_id=boot_id())


def is_alive(identity: ProcessIdentity) -> bool:
    """Whether the very process that *identity* names is there."""
    return identify(identity.pid) == identity


def descendants(root: int) -> list[int]:
    """
    Name every process below *root* that is not dead already, nearest first.

    Complete only while *root* is a child subreaper: orphans then become its own children.
    """
    children: dict[int, list[int]] = {}
    for pid in _all_pids():
        if (fields := _read_stat(pid)) is not None and fields[0] not in DEAD_STATES:
            children.setdefault(int(fields[1]), []).append(pid)
    found = list(children.get(root, ()))
    for pid in found:
        found.extend(children.get(pid, ()))
    return found


def program_name(pid: int) -> str:
    """Name the program that *pid* runs, as the kernel does; nothing when there is no such process."""
    try:
        return (PROC / str(pid) / "comm").read_text("utf-8", "backslashreplace").strip()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ""


def pids_with_env(variable: str) -> list[int]:
    """Name every process of this user that was started with *variable*, a whole ``NAME=value``."""
    wanted = variable.encode()
    return [pid for pid in _all_pids() if wanted in _read_environ(pid)]


def pids_with_output_file(file: Path) -> list[int]:
    """Name every process of this user whose standard output or error is *file*."""
    try:
        wanted = file.stat()
    except OSError:  # It is not there, or a loop of links is: no process has it open.
        return []
    return [pid for pid in _all_pids() if any(_has_output_file(pid, stream, wanted) for stream in (1, 2))]


def pids_in_sessions(known_pids: Collection[int]) -> list[int]:
    """
    Name every process in a session of which one of *known_pids* is a part.

    Not where the session's leader is there and unknown: then somebody else has begun it, a person at a terminal say.
    """
    found = {
        pid: int(fields[3])
        for pid in _all_pids()
        if (fields := _read_stat(pid)) is not None and fields[0] not in DEAD_STATES
    }
    sessions = {found[pid] for pid in known_pids if pid in found}
    return [
        pid for pid, leader in found.items() if leader in sessions and (leader in known_pids or leader not in found)
    ]


def boot_id() -> str:
    """Name this boot of the machine."""
    return (PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()


def _all_pids() -> list[int]:
    return [int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()]


def _has_output_file(pid: int, fd: int, file_stat: os.stat_result) -> bool:
    try:
        return os.path.samestat((PROC / str(pid) / "fd" / str(fd)).stat(), file_stat)
    except OSError:  # It has ended, is another user's, or has closed its streams.
        return False


def _read_stat(pid: int) -> list[str] | None:
    try:
        text = (PROC / str(pid) / "stat").read_text("utf-8", "replace")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    # The program's name stands in parentheses and may hold anything, parentheses included.
    return text[text.rindex(")") + 1 :].split()


def _read_environ(pid: int) -> list[bytes]:
    """What a process was started with; nothing for another user's and for one that has ended."""
    try:
        return (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return []
