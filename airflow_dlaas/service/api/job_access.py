"""Access of the log and metrics routes to the files of a training's job."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow_dlaas.exceptions import NotFound
from airflow_dlaas.service.api.dependencies import ApiDeps
from airflow_dlaas.service.job_files import JobDirectory


def find_job(deps: ApiDeps, owner: str, training_id: str) -> tuple[JobDirectory, bool]:
    """
    Return the job directory of a training of *owner*, and whether the training has ended.

    The state is read before the files: the files of a training that has ended are then complete.

    :raises NotFound: *owner* has no such training.
    """
    ended = deps.store.get_training(owner, training_id).state.is_final
    return JobDirectory(deps.jobs_dir / training_id), ended


@contextmanager
def not_found_if_unreadable(training_id: str, what: str) -> Iterator[None]:
    """
    Raise NotFound for an OSError in the block.

    The file exists and cannot be read: it is a directory or a loop of links. A retry does not help, so the status is
    not 5xx.
    """
    try:
        yield
    except OSError as error:
        raise NotFound(f"The {what} of training {training_id} cannot be read: {error.strerror}") from error
