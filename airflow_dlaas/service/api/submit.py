"""Submission of a training: the checks of its definition, in a fixed order, and its record in the store."""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
import string
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.error import ErrorItem
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.stores import StoreConnection
from airflow_dlaas.exceptions import (
    ContainerNotFound,
    InvalidName,
    InvalidRequest,
    NotFound,
    StoreError,
    StoreNotAllowed,
    StoreRedirected,
    StoreRefused,
    StoreUnreachable,
)
from airflow_dlaas.service.api import resource_urls
from airflow_dlaas.service.api.dependencies import ApiDeps
from airflow_dlaas.service.api.error_responses import InvalidFields, field_error
from airflow_dlaas.service.metrics.regex_metrics import regex_errors
from airflow_dlaas.service.object_store_allowlist import OBJECT_STORES_SETTING, parse_host_port
from airflow_dlaas.service.store.base import TrainingRecord

logger = logging.getLogger(__name__)

_ID_ALPHABET = string.ascii_letters + string.digits + "_-"
_MAX_CONCURRENT_CHECKS = 8

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

    The order of the checks: the document itself, an earlier use of *idempotency_key*, the code, the framework, the
    resources, whether the object stores are allowed, and whether they accept the credentials. The first check that
    fails raises an error with all its findings.

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
    masked_definition = definition.model_dump(mode="json", exclude_unset=True)
    digest = _request_digest(masked_definition)
    if idempotency_key is not None:
        existing = deps.store.find_by_key(owner, idempotency_key, digest)
        if existing is not None:
            # Before the checks of the object stores: a repeated request succeeds although a store does not answer.
            return existing, False
    code = _resolve_code(deps, owner, definition.model_definition.definition_location, base_urls)
    execution = definition.model_definition.execution
    runtime = deps.catalogue.resolve(definition.model_definition.framework, execution.command)
    slots = execution.resource_type.gpus
    if slots > deps.gpu_slots:
        raise InvalidRequest(
            f"model_definition.execution.resourceType: {execution.resource_type} needs {slots} GPUs, "
            f"and this service has {deps.gpu_slots}",
            code="C104",
            target="model_definition.execution.resourceType",
        )
    _require_containers(deps, definition)
    now = deps.clock()
    record = TrainingRecord(
        id=f"training-{''.join(secrets.choice(_ID_ALPHABET) for _ in range(9))}",
        owner=owner,
        definition=masked_definition,
        code=code,
        slots=slots,
        runtime=runtime.key,
        provides=runtime.provides,
        state=TrainingState.PENDING,
        submitted_at=now,
        modified_at=now,
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


@dataclass(frozen=True, slots=True)
class _ContainerCheck:
    connection: StoreConnection
    container: str
    connection_field: str
    container_field: str
    is_results: bool
    """Whether the container is for results only. Such a container is created if it does not exist."""


def _require_containers(deps: ApiDeps, definition: TrainingDefinition) -> None:
    checks = list(_container_checks(definition))
    not_allowed = [
        _not_allowed_error(deps, check) for check in checks if not deps.allowlist.allows(check.connection.auth_url)
    ]
    if not_allowed:
        raise InvalidFields(not_allowed)  # before any object store is called

    def store_error(check: _ContainerCheck) -> StoreError | None:
        try:
            deps.check_container(check.connection, check.container)
        except StoreError as error:
            return error
        return None

    with ThreadPoolExecutor(_MAX_CONCURRENT_CHECKS, thread_name_prefix="check-store") as pool:
        failed = [(check, error) for check, error in zip(checks, pool.map(store_error, checks), strict=True) if error]
    missing = [check for check, error in failed if check.is_results and isinstance(error, ContainerNotFound)]
    if errors := [_container_error(check, error) for check, error in failed if check not in missing]:
        raise InvalidFields(errors)
    for check in missing:  # after all checks: a definition that is refused creates no container
        try:
            deps.create_container(check.connection, check.container)
        except StoreError as error:
            logger.warning(
                "Creating the results container %r failed (%s); the definition is refused", check.container, error
            )
            message = (
                f"{check.container_field}: the object store has no container {check.container!r}, and it could not be "
                "created with these credentials"
            )
            raise InvalidFields([field_error(check.container_field, message, "C103")]) from error
        logger.info("Created the results container %r", check.container)


def _container_checks(definition: TrainingDefinition) -> Iterator[_ContainerCheck]:
    """Yield one check for each container of *definition*; a container that is named twice is checked once."""
    seen: list[tuple[StoreConnection, str]] = []
    references = [
        (data.connection, data.source.container, f"training_data[{index}]", "source")
        for index, data in enumerate(definition.training_data)
    ]
    results = definition.training_results
    if results is not None:
        references.append((results.connection, results.container_ref.container, "training_results", results.target_key))
    for connection, container, field, container_key in references:
        if (connection, container) not in seen:
            seen.append((connection, container))
            yield _ContainerCheck(
                connection,
                container,
                f"{field}.connection",
                f"{field}.{container_key}.container",
                is_results=field == "training_results",
            )


def _not_allowed_error(deps: ApiDeps, check: _ContainerCheck) -> ErrorItem:
    field = f"{check.connection_field}.auth_url"
    host_port = parse_host_port(check.connection.auth_url)
    if host_port is None:
        return field_error(field, f"{field}: is not plainly the URL of one host (https://host:port/path)", "C103")
    message = (
        f"{field}: {host_port} is no object store that this site allows ({deps.allowlist.description}); the operator "
        f"of the service can add it to {OBJECT_STORES_SETTING}"
    )
    return field_error(field, message, "C103")


def _container_error(check: _ContainerCheck, error: StoreError) -> ErrorItem:
    match error:
        case ContainerNotFound():
            field = check.container_field
            message = f"{field}: the object store has no container {check.container!r}"
        case InvalidName():
            field = check.container_field
            message = f"{field}: {error}"
        case StoreRefused():
            field = check.connection_field
            message = f"{field}: the object store refuses these credentials for container {check.container!r}"
        case StoreUnreachable():
            field = f"{check.connection_field}.auth_url"
            message = f"{field}: {check.connection.auth_url} did not answer"
        case StoreRedirected() | StoreNotAllowed():
            field = f"{check.connection_field}.auth_url"
            message = f"{field}: {error}"
        case _:
            field = check.connection_field
            message = f"{field}: container {check.container!r} cannot be used"
    return field_error(field, message, "C103")
