"""Claims a job for one learner, and reads what it has to do."""

from __future__ import annotations

import ctypes
import os

from airflow_dlaas._util.atomic_write import atomic_write_text
from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.job_files import JobDirectory, read_job_file
from airflow_dlaas.service.job_spec import JobSpec
from airflow_dlaas.service.process.process_info import identify

PR_SET_CHILD_SUBREAPER = 36
"""https://man7.org/linux/man-pages/man2/PR_SET_CHILD_SUBREAPER.2const.html"""


def claim(job: JobDirectory) -> bool:
    """
    Claim *job* for this process; return False if another process has claimed it, whether it is alive or not.

    ``run.json`` appears complete, and at most one of several processes succeeds: a hard link fails if the name exists.
    """
    identity = identify(os.getpid())
    if identity is None:
        raise HostError("This process does not find itself in /proc")
    try:
        atomic_write_text(job.run, identity.model_dump_json(), fsync=True, overwrite=False)
    except FileExistsError:
        return False
    return True


def read_spec(job: JobDirectory) -> tuple[JobSpec, TrainingDefinition]:
    """
    Read the job's spec and definition; remove the file with the secrets before anything else.

    :raises HostError: one of the two files is missing.
    :raises pydantic.ValidationError: another version of the service wrote them.
    """
    try:
        definition = read_job_file(job.secrets, TrainingDefinition)
    finally:
        job.erase_secrets()
    spec = read_job_file(job.spec, JobSpec)
    if spec is None or definition is None:
        missing = job.spec if spec is None else job.secrets
        raise HostError(f"{missing.name} is missing in the job directory")
    return spec, definition


def become_subreaper() -> None:
    """
    Become the parent of orphaned descendants.

    So every process that a command starts stays a descendant, however often it forks or starts sessions.

    :raises HostError: the kernel does not support it (Linux before 3.4).
    """
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise HostError(f"The process cannot become a subreaper: {os.strerror(ctypes.get_errno())}")
