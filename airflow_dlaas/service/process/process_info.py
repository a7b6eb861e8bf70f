"""
Processes of this machine, read from ``/proc``.

A pid alone does not identify a process: Linux reuses pids, and a reboot starts them anew. The pid, the start time of
the process and the id of the boot together identify it.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from airflow_dlaas.service.job_reports import ProcessIdentity

PROC = Path("/proc")

DEAD_STATES = {"Z", "X"}
"""States of a process that has ended but is still in the process table. It has no children any more."""


def identify(pid: int) -> ProcessIdentity | None:
    """Return the identity of the process *pid*; None if it does not exist or is in a dead state."""
    fields = _read_stat(pid)
    # https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html: state is field 3, starttime field 22.
    if fields is None or fields[0] in DEAD_STATES:
        return None
    return ProcessIdentity(pid=pid, start_ticks=int(fields[19]), boot_id=boot_id())


def is_alive(identity: ProcessIdentity) -> bool:
    """Whether the process *identity* exists: the same pid, start time and boot."""
    return identify(identity.pid) == identity


def descendants(root: int) -> list[int]:
    """
    Return the pids of all living descendants of *root*, parents before their children.

    The list is complete only while *root* is a child subreaper (``PR_SET_CHILD_SUBREAPER``): orphans then become
    children of *root*.
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
    """Return the kernel's name of the program that *pid* runs; an empty text if there is no such process."""
    try:
        return (PROC / str(pid) / "comm").read_text("utf-8", "backslashreplace").strip()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ""


def pid_namespace(pid: int) -> str:
    """Return the PID namespace of *pid*; an empty text if there is no such process, or if it may not be inspected."""
    try:
        return str((PROC / str(pid) / "ns" / "pid").readlink())
    except OSError:
        return ""


def pids_with_env(variable: str) -> list[int]:
    """Return the pids of this user's processes that were started with *variable*, a complete ``NAME=value``."""
    wanted = variable.encode()
    return [pid for pid in _all_pids() if wanted in _read_environ(pid)]


def pids_with_output_file(file: Path) -> list[int]:
    """Return the pids of this user's processes whose standard output or standard error is *file*."""
    try:
        wanted = file.stat()
    except OSError:  # the file does not exist, or is a loop of links: no process has it open
        return []
    return [pid for pid in _all_pids() if any(_has_output_file(pid, stream, wanted) for stream in (1, 2))]


def pids_in_sessions(known_pids: Collection[int]) -> list[int]:
    """
    Return the pids of all living processes in the sessions of *known_pids*.

    A session is left out if its leader exists and is not among *known_pids*: another program has started that session,
    for example a shell at a terminal.
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
    """Return the id of this boot of the machine."""
    return (PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()


def _all_pids() -> list[int]:
    return [int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()]


def _has_output_file(pid: int, fd: int, file_stat: os.stat_result) -> bool:
    try:
        return os.path.samestat((PROC / str(pid) / "fd" / str(fd)).stat(), file_stat)
    except OSError:  # the process has ended, belongs to another user, or has closed the stream
        return False


def _read_stat(pid: int) -> list[str] | None:
    try:
        text = (PROC / str(pid) / "stat").read_text("utf-8", "replace")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    # The name of the program is in parentheses and may contain any characters, parentheses included.
    return text[text.rindex(")") + 1 :].split()


def _read_environ(pid: int) -> list[bytes]:
    """Return the environment that *pid* was started with; empty if it has ended or belongs to another user."""
    try:
        return (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return []
