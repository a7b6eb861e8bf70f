"""
The attempts of one job directory: it keeps its path, and the files of an attempt are put away before the next one.

spec.json has the number of the attempt that the directory is prepared for, and is written last. While it is missing or
of an earlier attempt, no learner of the present attempt can have been started, and everything here may be repeated.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from pydantic import BaseModel

from airflow_dlaas.service.job_files import READ_ERRORS, JobDirectory, read_job_file, remove_folder, write_job_file
from airflow_dlaas.service.job_reports import CheckpointsFile

LOGS = "logs"

KEPT_FILES = frozenset({"log", "metrics.jsonl", "usage.jsonl", "phase.json", "checkpoints.json", LOGS})
"""What the next attempt continues; all else in the directory is of one attempt."""


_ASIDE = ".logs-of-attempt-"
"""Where the folder of logs is between two renames: it cannot be moved into itself at once."""


class _SpecAttempt(BaseModel):
    """The only part of spec.json that is read here."""

    attempt: int = 1


def needs_preparation(job: JobDirectory, attempt: int) -> bool:
    """
    Whether *job* is not prepared for *attempt*: its spec.json is missing, or of an earlier attempt.

    Never for the first attempt, which finds no files of another one. A spec.json that cannot be read counts as one of
    *attempt*: a command without a sandbox may have damaged it while it runs.
    """
    if attempt == 1:
        return False
    try:
        spec = read_job_file(job.spec, _SpecAttempt)
    except READ_ERRORS:
        return False
    return spec is None or spec.attempt < attempt


def put_away_earlier_attempt(job: JobDirectory, attempt: int) -> None:
    """
    Remove the files of the attempt before *attempt*, except those that the next one continues; put its logs aside.

    ``logs/`` becomes ``logs/attempt-N/`` of the new folder of logs. May be repeated after it was interrupted at any
    moment.

    :raises OSError: a file cannot be removed.
    """
    # First: from now on the directory needs preparation. Last: a learner can claim the job again.
    job.spec.unlink(missing_ok=True)
    if job.path.is_dir():
        for path in sorted(job.path.iterdir()):
            if path.name not in KEPT_FILES and path != job.run and not path.name.startswith(_ASIDE):
                _remove(path)
        _forget_resumed_checkpoint(job)
        _put_logs_aside(job, attempt - 1)
    _remove(job.run)


def _put_logs_aside(job: JobDirectory, ended: int) -> None:
    logs, aside = job.subdirectory(LOGS), job.subdirectory(f"{_ASIDE}{ended}")
    folder = logs / f"attempt-{ended}"
    if not _is_folder(logs) and os.path.lexists(logs):
        logs.unlink()  # a command without a sandbox can replace it by anything
    if not os.path.lexists(aside):
        if not logs.exists() or os.path.lexists(folder):
            logs.mkdir(exist_ok=True)
            return
        logs.rename(aside)
    logs.mkdir(exist_ok=True)
    for number in range(1, ended):
        earlier = aside / f"attempt-{number}"
        if _is_folder(earlier):
            earlier.rename(logs / earlier.name)
    aside.rename(folder)


def _forget_resumed_checkpoint(job: JobDirectory) -> None:
    """Remove from checkpoints.json the checkpoint that the ended attempt began with; the newest one stays."""
    try:
        checkpoints = read_job_file(job.checkpoints, CheckpointsFile)
    except READ_ERRORS:
        _remove(job.checkpoints)
        return
    if checkpoints is not None and checkpoints.resumed_from is not None:
        write_job_file(job.checkpoints, CheckpointsFile(newest=checkpoints.newest))


def _is_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _remove(path: Path) -> None:
    """Remove a file or a folder; a folder that cannot be removed, as one with files of another user, is renamed."""
    if not _is_folder(path):
        path.unlink(missing_ok=True)
        return
    remove_folder(path)
    if os.path.lexists(path):
        path.rename(path.with_name(f".unremovable-{os.urandom(8).hex()}"))
