"""How a learner takes a job: once, whole, or not at all."""

from __future__ import annotations

import ctypes
import os

from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.job_files import JobDirectory, JobSpec, read_job_file
from airflow_dlaas.service.process.process_info import identify

PR_SET_CHILD_SUBREAPER = 36
"""https://man7.org/linux/man-pages/man2/PR_SET_CHILD_SUBREAPER.2const.html"""


def claim(job: JobDirectory) -> bool:
    """
    Take *job* for this process; False when somebody has taken it before, alive or not.

    The mark appears whole, and for one of several at most: a hard link is refused where the name is taken.
    """
    mark = identify(os.getpid())
    if mark is None:
        raise HostError("This process does not find itself in /proc")
    aside = job.path / f".run.{os.getpid()}"
    with aside.open("w", encoding="utf-8") as file:
        file.write(mark.model_dump_json())
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(aside, job.run)
    except FileExistsError:
        return False
    finally:
        aside.unlink()
    return True


def read_spec(job: JobDirectory) -> tuple[JobSpec, TrainingDefinition]:
    """
    Read what to do, and remove the secrets before anything else happens.

    :raises HostError: one of the two files is missing.
    :raises pydantic.ValidationError: the service that wrote them is of another version.
    """
    try:
        definition = read_job_file(job.secrets, TrainingDefinition)
    finally:
        job.erase_secrets()
    spec = read_job_file(job.spec, JobSpec)
    if spec is None or definition is None:
        missing = job.spec if spec is None else job.secrets
        raise HostError(f"{missing.name} is missing in the job's folder")
    return spec, definition


def become_subreaper() -> None:
    """
    Become the process that orphaned descendants fall to.

    Nothing a command starts can get out of sight then, however often it forks or starts new sessions.

    :raises HostError: the kernel does not know it (Linux before 3.4).
    """
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise HostError(f"The process cannot become a subreaper: {os.strerror(ctypes.get_errno())}")
