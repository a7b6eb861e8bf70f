"""What a training leaves behind, and under which names it is stored."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from airflow_dlaas.service.jobs import JobFolder
from airflow_dlaas.service.learner.surroundings import CHECKPOINTS, CODE, DATA, LOGS, RESULTS

OWN_LOG = "learner.log"
"""What the learner itself says in its last need; for the service's operator, not for the results."""

STORED = {RESULTS: "", CHECKPOINTS: "checkpoints/", LOGS: "learner-1/"}
"""The job's folders that are stored, and what their files' names begin with."""


def gather(job: JobFolder, training_id: str) -> dict[str, Path]:
    """
    Name everything to store: object name to file.

    ``<id>/…`` is what lies in RESULT_DIR (the model in ``<id>/model/``), ``<id>/checkpoints/…``, and
    ``<id>/learner-1/…`` the logs, the command's as ``training-log.txt``.
    """
    found = {
        f"{training_id}/{prefix}{name}": path
        for folder, prefix in STORED.items()
        for name, path in _files(job, folder)
        if (folder, name) != (LOGS, OWN_LOG)
    }
    if job.log.exists():
        found[f"{training_id}/{STORED[LOGS]}training-log.txt"] = job.log
    return found


def stored_folder(job: JobFolder, folder: Path) -> str | None:
    """Say under which name below the training's *folder* is stored; None where it is not."""
    for name, prefix in STORED.items():
        if folder.is_relative_to(job.folder(name)):
            return f"{prefix}{folder.relative_to(job.folder(name)).as_posix()}".removesuffix("/.")
    return None


def _files(job: JobFolder, name: str) -> Iterator[tuple[str, Path]]:
    """Walk one of the job's folders. Links count as what they point to, inside what the command may have made only."""
    top = job.folder(name)
    homes = [job.folder(one).resolve() for one in (RESULTS, CHECKPOINTS, CODE, DATA, LOGS)]
    for folder, _, files in os.walk(top):
        for file in sorted(files):
            path = Path(folder, file)
            real = path.resolve()
            if real.is_file() and any(real.is_relative_to(home) for home in homes):
                yield path.relative_to(top).as_posix(), path
