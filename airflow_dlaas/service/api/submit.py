"""Submission of a training: the checks of its definition, in a fixed order, and its record in the store."""

from __future__ import annotations

import hashlib
import json
import secrets
import string
from typing import Any

from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.exceptions import (
    InvalidRequest,
    NotFound,
)
from airflow_dlaas.service.api import resource_urls
from airflow_dlaas.service.api.container_checks import require_containers
from airflow_dlaas.service.api.dependencies import ApiDeps
from airflow_dlaas.service.api.error_responses import InvalidFields
from airflow_dlaas.service.api.resource_checks import require_possible_resources
from airflow_dlaas.service.api.resume_checks import find_checkpoint_sources, require_permitted_grace
from airflow_dlaas.service.api.secret_checks import require_isolated_secrets
from airflow_dlaas.service.api.source_checks import complete_results_store, require_permitted_mounts
from airflow_dlaas.service.metrics.regex_metrics import regex_errors
from airflow_dlaas.service.store.records import TrainingRecord

_ID_ALPHABET = string.ascii_letters + string.digits + "_-"
MAX_KEY_LENGTH = 255

COMMAND_FIELD = "model_definition.execution.command"

MAX_COMMAND_BYTES = 128_000
"""
The longest command, in UTF-8 bytes.

Linux starts no program with a longer argument or environment variable (``MAX_ARG_STRLEN``, 131,072 with 4 KiB pages).
The command is passed as both; the difference is left for the name of the variable.
"""


def submit(
    deps: ApiDeps, owner: str, document: Any, *, idempotency_key: str | None, base_urls: tuple[str, ...]
) -> tuple[TrainingRecord, bool]:
    """
    Check *document* and store it as a training; return the training, and whether it is new.

    The order of the checks: the document itself, an earlier use of *idempotency_key*, a store for the results, the
    code, the framework, the resources, the time to stop, the mounted folders, the training to resume from, whether the
    object stores are allowed, and whether they accept the credentials. The first check that fails raises an error with
    all its findings.

    :param base_urls: the URLs of this service, with which the location of the code may begin.
    :raises InvalidDefinition, InvalidRequest: a check failed. Nothing was changed.
    :raises Conflict: *idempotency_key* was used with another definition.
    """
    definition = TrainingDefinition.parse(document)
    if len(definition.training_data) > deps.limits.containers:
        message = f"training_data: at most {deps.limits.containers} containers, not {len(definition.training_data)}"
        raise InvalidRequest(message, code="C101", target="training_data")
    if (size := len(definition.model_definition.execution.command.encode())) > MAX_COMMAND_BYTES:
        message = (
            f"{COMMAND_FIELD}: must be at most {MAX_COMMAND_BYTES:,} bytes long, not {size:,}: Linux starts no program "
            "with a longer argument; put the script into a file of the code"
        )
        raise InvalidRequest(message, code="C101", target=COMMAND_FIELD)
    if messages := regex_errors(definition.metric_definitions or ()):
        raise InvalidFields.from_messages(messages, "C101")
    # Of the definition as it was sent: the store that the service adds may have changed until a repeated request.
    digest = _request_digest(_mask(definition))
    if idempotency_key is not None:
        existing = deps.store.find_by_key(owner, idempotency_key, digest)
        if existing is not None:
            # Before the checks of the object stores: a repeated request succeeds although a store does not answer.
            return existing, False
    definition = complete_results_store(deps, definition)
    code = _resolve_code(deps, owner, definition.model_definition.definition_location, base_urls)
    execution = definition.model_definition.execution
    runtime = deps.catalogue.resolve(definition.model_definition.framework, execution.command)
    require_possible_resources(deps, execution)
    require_isolated_secrets(deps, execution)
    require_permitted_grace(deps, execution)
    require_permitted_mounts(deps, definition)
    checkpoint_sources = find_checkpoint_sources(deps, owner, definition)
    require_containers(deps, definition)
    now = deps.clock()
    record = TrainingRecord(
        id=f"training-{''.join(secrets.choice(_ID_ALPHABET) for _ in range(9))}",
        owner=owner,
        definition=_mask(definition),
        code=code,
        slots=execution.gpus,
        runtime=runtime.key,
        provides=runtime.provides,
        state=TrainingState.PENDING,
        submitted_at=now,
        modified_at=now,
        checkpoint_sources=checkpoint_sources,
    )
    record, created = deps.store.create_training(record, definition, key=idempotency_key, request_digest=digest)
    if created:
        deps.wake_dispatcher()
    return record, created


def parse_idempotency_key(key: str | None) -> str | None:
    """
    Validate the value of an `Idempotency-Key` header; an empty value counts as none.

    :raises InvalidRequest: the key is too long, or has characters other than printable ASCII.
    """
    if not key:
        return None
    if len(key) > MAX_KEY_LENGTH or not key.isascii() or not key.isprintable():
        raise InvalidRequest(
            f"Idempotency-Key: must be at most {MAX_KEY_LENGTH} printable ASCII characters", target="Idempotency-Key"
        )
    return key


def _mask(definition: TrainingDefinition) -> dict[str, Any]:
    return definition.model_dump(mode="json", exclude_unset=True)


def _request_digest(masked_definition: dict[str, Any]) -> str:
    # Without secrets: a digest of a password would help to guess it, and the same definition with a changed password is
    # the same request.
    return hashlib.sha256(json.dumps(masked_definition, sort_keys=True).encode()).hexdigest()


def _resolve_code(deps: ApiDeps, owner: str, definition_location: str, base_urls: tuple[str, ...]) -> str:
    experiment_id, version_id = resource_urls.parse_definition_location(definition_location, base_urls)
    try:
        if version_id is None:
            _, version = deps.store.get_experiment(owner, experiment_id)
        else:
            version = deps.store.get_version(owner, experiment_id, version_id)
    except NotFound as error:
        raise InvalidRequest(
            f"{resource_urls.LOCATION_FIELD}: {error.message}", code="C101", target=resource_urls.LOCATION_FIELD
        ) from error
    # `touch` protects the blob from removal until the training that uses it is stored.
    if version.digest is None or not deps.blobs.touch(version.digest):
        raise InvalidRequest(
            f"{resource_urls.LOCATION_FIELD}: version {version.id} has no content; PUT its zip to "
            f"…/versions/{version.id}/content",
            code="C102",
            target=resource_urls.LOCATION_FIELD,
        )
    return version.digest
