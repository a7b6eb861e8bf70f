"""The checks of how a training is stopped and resumed, when it is submitted."""

from __future__ import annotations

import re

from pydantic import ValidationError

from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.definition_keys import EXECUTION
from airflow_dlaas.contract.execution import Execution
from airflow_dlaas.contract.stores import ResultsStore, StoreConnection, SwiftStoreConnection
from airflow_dlaas.exceptions import InvalidDefinition, InvalidRequest, NotFound
from airflow_dlaas.service.api.dependencies import ApiDeps
from airflow_dlaas.service.api.request_bodies import ID_PATTERN
from airflow_dlaas.service.job_spec import CheckpointSource
from airflow_dlaas.service.store.records import TrainingRecord

GRACE_FIELD = f"{EXECUTION}.grace"
RESUME_FIELD = "resume_from"

MAX_CHECKPOINT_SOURCES = 20
"""Trainings whose checkpoints a training may begin with: the one that it names, and those that this one had."""


def require_permitted_grace(deps: ApiDeps, execution: Execution) -> None:
    """
    Check that this service gives a stopped command as much time as *execution* asks for.

    :raises InvalidRequest: C101; it does not, and the message has the limit.
    """
    grace, limit = execution.grace, deps.limits.grace
    if grace is not None and grace > limit:
        raise InvalidRequest(
            f"{GRACE_FIELD}: must be at most {limit:g} seconds, not {grace:g}: this is the limit of the service "
            "(DLAAS_GRACE_LIMIT)",
            code="C101",
            target=GRACE_FIELD,
        )


def find_checkpoint_sources(deps: ApiDeps, owner: str, definition: TrainingDefinition) -> tuple[CheckpointSource, ...]:
    """
    Return the trainings with whose checkpoints *definition* may begin: the one that it names, and those before it.

    The named training may still wait or run. A training that begins with the checkpoint of another one, and stores none
    of its own, leaves the next one that of the other.

    :raises InvalidRequest: C101; *owner* has no such training, or its checkpoints are in another object store.
    """
    if definition.resume_from is None:
        return ()
    named = _find_training(deps, owner, definition.resume_from)
    theirs, ours = _results_store(named), definition.results_store
    if _account(theirs.connection) != _account(ours.connection):
        raise _refused(
            f"the checkpoints of training {named.id} are in another object store ({_describe(theirs.connection)}) than "
            f"the results of this training ({_describe(ours.connection)}), with whose credentials they are read"
        )
    newest = CheckpointSource(training_id=named.id, container=theirs.target.container)
    return (newest, *named.checkpoint_sources)[:MAX_CHECKPOINT_SOURCES]


def _find_training(deps: ApiDeps, owner: str, training_id: str) -> TrainingRecord:
    if not re.fullmatch(ID_PATTERN, training_id):
        raise _refused("is no id of a training")
    try:
        return deps.store.get_training(owner, training_id)
    except NotFound as error:
        raise _refused(error.message) from error


def _results_store(record: TrainingRecord) -> ResultsStore:
    """Return where the results of *record* are; its definition may be of another release."""
    try:
        return TrainingDefinition.model_validate(record.definition, extra="ignore").results_store
    except (ValidationError, InvalidDefinition):
        raise _refused(f"the service cannot read the definition of training {record.id}") from None


def _account(connection: StoreConnection) -> tuple[str | None, ...]:
    """Return what identifies the account in an object store; the password may have changed."""
    account: tuple[str | None, ...] = ()
    if isinstance(connection, SwiftStoreConnection):
        project = (connection.project_id, connection.region, connection.domain_name)
        account = (connection.user, *(project if connection.is_keystone else ()))
    return (type(connection).__name__, connection.url.rstrip("/"), *account)  # elsewhere buckets are global


def _describe(connection: StoreConnection) -> str:
    return f"{connection.url}, user {connection.user}" if connection.user else connection.url


def _refused(reason: str) -> InvalidRequest:
    return InvalidRequest(f"{RESUME_FIELD}: {reason}", code="C101", target=RESUME_FIELD)
