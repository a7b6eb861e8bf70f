"""From a definition, as it was sent, to a training that the store can keep: every check, in one order."""

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
Longest command in UTF-8 bytes. Linux starts no program with a longer argument or variable (``MAX_ARG_STRLEN``, 131,072
with 4 KiB pages), and a command is passed as both: the rest is for the variable's name.
"""


def submit(
    deps: ApiDeps, owner: str, document: Any, *, idempotency_key: str | None, base_urls: tuple[str, ...]
) -> tuple[TrainingRecord, bool]:
    """
    Check *document* and keep it as a training; the training, and whether it is a new one.

    In this order: its shape, an earlier use of *idempotency_key*, the code, the framework, the resources, whether the site allows
    the object stores, and whether these let us in. The first that fails is told, with all that is wrong of its kind,
    and nothing was changed.
    """
    definition = TrainingDefinition.parse(document)
    if len(definition.training_data) > deps.limits.containers:
        message = f"training_data: at most {deps.limits.containers} containers, not {len(definition.training_data)}"
        raise InvalidRequest(message, code="C101", target="training_data")
    if (size := len(definition.model_definition.execution.command.encode())) > MAX_COMMAND_BYTES:
        message = (
            f"{COMMAND_FIELD}: must be at most {MAX_COMMAND_BYTES:,} bytes long, not {size:,}: Linux starts no program with a "
            "longer argument; put the script into a file of the code"
        )
        raise InvalidRequest(message, code="C101", target=COMMAND_FIELD)
    if unclear := regex_errors(definition.metric_definitions or ()):
        raise InvalidFields.from_messages(unclear, "C101")
    echo = definition.model_dump(mode="json", exclude_unset=True)
    digest = _request_digest(echo)
    if idempotency_key is not None:
        known = deps.store.find_by_key(owner, idempotency_key, digest)
        if known is not None:
            # What this key created is there: the stores need not answer once more for its creator to learn that.
            return known, False
    code = _resolve_code(deps, owner, definition.model_definition.definition_location, base_urls)
    execution = definition.model_definition.execution
    runtime = deps.catalogue.resolve(definition.model_definition.framework, execution.command)
    slots = execution.resource_type.gpus
    if slots > deps.gpu_slots:
        raise InvalidRequest(
            f"model_definition.execution.resourceType: {execution.resource_type} takes {slots} GPUs, "
            f"and this service has {deps.gpu_slots}",
            code="C104",
            target="model_definition.execution.resourceType",
        )
    _require_containers(deps, definition)
    now = deps.clock()
    record = TrainingRecord(
        id=f"training-{''.join(secrets.choice(_ID_ALPHABET) for _ in range(9))}",
        owner=owner,
        definition=echo,
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
    Read an `Idempotency-Key`; an empty one is none.

    :raises InvalidRequest: it is too long, or holds what no header should.
    """
    if not key:
        return None
    if len(key) > MAX_KEY_LENGTH or not key.isascii() or not key.isprintable():
        raise InvalidRequest(
            f"Idempotency-Key: must be at most {MAX_KEY_LENGTH} printable ASCII characters", target="Idempotency-Key"
        )
    return key


def _request_digest(echo: dict[str, Any]) -> str:
    # Of what is echoed: a digest over a password would be a way to guess it, and one that was changed since asks
    # for no other training.
    return hashlib.sha256(json.dumps(echo, sort_keys=True).encode()).hexdigest()


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
    # Held, so that no sweep takes it before the training is there that needs it.
    if version.digest is None or not deps.blobs.touch(version.digest):
        raise InvalidRequest(
            f"{resource_urls.LOCATION_FIELD}: version {version.id} has no content; PUT its zip to …/versions/{version.id}/content",
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
    """Whether it is for results only: then it is created where it does not exist."""


def _require_containers(deps: ApiDeps, definition: TrainingDefinition) -> None:
    checks = list(_container_checks(definition))
    foreign = [
        _not_allowed_error(deps, check) for check in checks if not deps.allowlist.allows(check.connection.auth_url)
    ]
    if foreign:
        raise InvalidFields(foreign)  # before anybody is called

    def look(check: _ContainerCheck) -> StoreError | None:
        try:
            deps.check_container(check.connection, check.container)
        except StoreError as error:
            return error
        return None

    with ThreadPoolExecutor(_MAX_CONCURRENT_CHECKS, thread_name_prefix="check-store") as pool:
        found = [(check, error) for check, error in zip(checks, pool.map(look, checks), strict=True) if error]
    missing = [check for check, error in found if check.is_results and isinstance(error, ContainerNotFound)]
    if problems := [_container_error(check, error) for check, error in found if check not in missing]:
        raise InvalidFields(problems)
    for check in missing:  # last, so that a definition that is refused creates nothing
        try:
            deps.create_container(check.connection, check.container)
        except StoreError as error:
            logger.warning("The results container %r could not be created: %s", check.container, error)
            message = (
                f"{check.container_field}: the object store has no container {check.container!r}, and it could not be "
                "created with these credentials"
            )
            raise InvalidFields([field_error(check.container_field, message, "C103")]) from error
        logger.info("Created the results container %r", check.container)


def _container_checks(definition: TrainingDefinition) -> Iterator[_ContainerCheck]:
    seen: list[tuple[StoreConnection, str]] = []
    places = [
        (data.connection, data.source.container, f"training_data[{index}]", "source")
        for index, data in enumerate(definition.training_data)
    ]
    results = definition.training_results
    if results is not None:
        places.append((results.connection, results.container_ref.container, "training_results", results.target_key))
    for connection, container, field, place in places:
        if (connection, container) not in seen:
            seen.append((connection, container))
            yield _ContainerCheck(
                connection,
                container,
                f"{field}.connection",
                f"{field}.{place}.container",
                is_results=field == "training_results",
            )


def _not_allowed_error(deps: ApiDeps, check: _ContainerCheck) -> ErrorItem:
    field = f"{check.connection_field}.auth_url"
    place = parse_host_port(check.connection.auth_url)
    if place is None:
        return field_error(field, f"{field}: is not plainly the URL of one host (https://host:port/path)", "C103")
    message = (
        f"{field}: {place} is no object store that this site allows ({deps.allowlist.description}); whoever runs the "
        f"service names its host in {OBJECT_STORES_SETTING}"
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
