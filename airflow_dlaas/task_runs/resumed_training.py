"""How the definition of a new training names the earlier training whose checkpoint it begins with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_dlaas.exceptions import InvalidArgument

if TYPE_CHECKING:
    from airflow_dlaas.client.client import Client
    from airflow_dlaas.contract.training import TrainingStatus

RESUME_KEY = "resume_from"
"""The key of a definition with the id of the earlier training."""


def require_resume_support(client: Client) -> None:
    """
    Require that the service can begin a training with the checkpoint of another one.

    A task with ``resume`` requires it in its first try, which sends no such key: its author must not learn of it only
    when a try has failed.

    :raises InvalidArgument: the service cannot; nothing was sent.
    """
    if RESUME_KEY not in client.extensions.definition_keys:
        raise InvalidArgument(
            f"resume needs the key {RESUME_KEY}, which the service at {client.url} does not know (an older "
            "airflow-dlaas, or another service): write resume=False, or upgrade the service"
        )


def describe_resume(training_id: str, status: TrainingStatus | None) -> str:
    """
    Return the log message about the training that a new one resumes.

    :param status: its last known status; None if it was not read.
    """
    if status is None or status.checkpoint is None:
        return f"The training resumes from training {training_id}, if it has stored a checkpoint"
    found = status.checkpoint
    return f"The training resumes from training {training_id} (attempt {found.attempt}, checkpoint {found.number})"
