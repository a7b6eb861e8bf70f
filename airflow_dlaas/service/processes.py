"""
Who a process is, as Linux tells it.

A pid alone names nobody: pids are reused, and a reboot starts them anew. Together with the moment the process
started and the boot it belongs to, it does.
"""

from __future__ import annotations

from pathlib import Path

from airflow_dlaas.service.jobs import RunMark

PROC = Path("/proc")

DEAD = {"Z", "X"}
"""States of a process of which only the entry in the table is left. It has no children any more."""


def identify(pid: int) -> RunMark | None:
    """Say who *pid* is; None when there is no such process, or only what is left of one."""
    fields = _stat(pid)
    # https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html: state is field 3, starttime field 22.
    if fields is None or fields[0] in DEAD:
        return None
    return RunMark(pid=pid, start_ticks=int(fields[19]), boot_id=boot_id())


def alive(mark: RunMark) -> bool:
    """Whether the very process that *mark* names is there."""
    return identify(mark.pid) == mark


def descendants(root: int) -> list[int]:
    """
    Name every process below *root* that is not dead already, nearest first.

    Complete only while *root* is a child subreaper: orphans then become its own children.
    """
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))) is not None and fields[0] not in DEAD:
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = list(children.get(root, ()))
    for pid in found:
        found.extend(children.get(pid, ()))
    return found


def carrying(variable: str) -> list[int]:
    """Name every process of this user that was started with *variable*, a whole ``NAME=value``."""
    wanted = variable.encode()
    return [
        int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit() and wanted in _environment(int(entry.name))
    ]


def boot_id() -> str:
    """Name this boot of the machine."""
    return (PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()


def _stat(pid: int) -> list[str] | None:
    try:
        text = (PROC / str(pid) / "stat").read_text("utf-8", "replace")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    # The program's name stands in parentheses and may hold anything, parentheses included.
    return text[text.rindex(")") + 1 :].split()


def _environment(pid: int) -> list[bytes]:
    """What a process was started with; nothing for another user's and for one that has ended."""
    try:
        return (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return []
