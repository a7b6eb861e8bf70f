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
from airflow_dlaas.service.api.dependencies import Parts
from airflow_dlaas.service.api.error_responses import Several, reason
from airflow_dlaas.service.config.object_store_allowlist import SETTING, place_of
from airflow_dlaas.service.metrics.regex_metrics import complaints
from airflow_dlaas.service.store.base import TrainingRecord

log = logging.getLogger(__name__)

_LETTERS = string.ascii_letters + string.digits + "_-"
_CHECKS_AT_ONCE = 8

KEY_LENGTH = 255

COMMAND = "model_definition.execution.command"

COMMAND_BYTES = 128_000
"""
Longest command in UTF-8 bytes. Linux starts no program with a longer argument or variable (``MAX_ARG_STRLEN``, 131,072
with 4 KiB pages), and a command is passed as both: the rest is for the variable's name.
"""


def submit(
    parts: Parts, owner: str, document: Any, *, key: str | None, bases: tuple[str, ...]
) -> tuple[TrainingRecord, bool]:
    """
    Check *document* and keep it as a training; the training, and whether it is a new one.

    In this order: its shape, an earlier use of *key*, the code, the framework, the resources, whether the site allows
    the object stores, and whether these let us in. The first that fails is told, with all that is wrong of its kind,
    and nothing was changed.
    """
    definition = TrainingDefinition.parse(document)
    if len(definition.training_data) > parts.limits.containers:
        message = f"training_data: at most {parts.limits.containers} containers, not {len(definition.training_data)}"
        raise InvalidRequest(message, code="C101", target="training_data")
    if (size := len(definition.model_definition.execution.command.encode())) > COMMAND_BYTES:
        message = (
            f"{COMMAND}: must be at most {COMMAND_BYTES:,} bytes long, not {size:,}: Linux starts no program with a "
            "longer argument; put the script into a file of the code"
        )
        raise InvalidRequest(message, code="C101", target=COMMAND)
    if unclear := complaints(definition.metric_definitions or ()):
        raise Several.of(unclear, "C101")
    echo = definition.model_dump(mode="json", exclude_unset=True)
    digest = _digest(echo)
    if key is not None:
        known = parts.store.recall(owner, key, digest)
        if known is not None:
            # What this key created is there: the stores need not answer once more for its creator to learn that.
            return known, False
    code = _code(parts, owner, definition.model_definition.definition_location, bases)
    execution = definition.model_definition.execution
    runtime = parts.catalogue.resolve(definition.model_definition.framework, execution.command)
    slots = execution.resource_type.gpus
    if slots > parts.slots:
        raise InvalidRequest(
            f"model_definition.execution.resourceType: {execution.resource_type} takes {slots} GPUs, "
            f"and this service has {parts.slots}",
            code="C104",
            target="model_definition.execution.resourceType",
        )
    _check_stores(parts, definition)
    now = parts.clock()
    record = TrainingRecord(
        id=f"training-{''.join(secrets.choice(_LETTERS) for _ in range(9))}",
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
    record, created = parts.store.create_training(record, definition, key=key, request_digest=digest)
    if created:
        parts.wake()
    return record, created


def read_key(key: str | None) -> str | None:
    """
    Read an `Idempotency-Key`; an empty one is none.

    :raises InvalidRequest: it is too long, or holds what no header should.
    """
    if not key:
        return None
    if len(key) > KEY_LENGTH or not key.isascii() or not key.isprintable():
        raise InvalidRequest(
            f"Idempotency-Key: must be at most {KEY_LENGTH} printable ASCII characters", target="Idempotency-Key"
        )
    return key


def _digest(echo: dict[str, Any]) -> str:
    # Of what is echoed: a digest over a password would be a way to guess it, and one that was changed since asks
    # for no other training.
    return hashlib.sha256(json.dumps(echo, sort_keys=True).encode()).hexdigest()


def _code(parts: Parts, owner: str, where: str, bases: tuple[str, ...]) -> str:
    experiment_id, version_id = resource_urls.locate(where, bases)
    try:
        if version_id is None:
            _, version = parts.store.experiment(owner, experiment_id)
        else:
            version = parts.store.version(owner, experiment_id, version_id)
    except NotFound as error:
        raise InvalidRequest(
            f"{resource_urls.FIELD}: {error.message}", code="C101", target=resource_urls.FIELD
        ) from error
    # Held, so that no sweep takes it before the training is there that needs it.
    if version.digest is None or not parts.blobs.hold(version.digest):
        raise InvalidRequest(
            f"{resource_urls.FIELD}: version {version.id} has no content; PUT its zip to …/versions/{version.id}/content",
            code="C102",
            target=resource_urls.FIELD,
        )
    return version.digest


@dataclass(frozen=True, slots=True)
class _Check:
    connection: StoreConnection
    container: str
    connection_field: str
    container_field: str
    results: bool
    """Whether it is for results only: then it is created where it does not exist."""


def _check_stores(parts: Parts, definition: TrainingDefinition) -> None:
    checks = list(_checks(definition))
    foreign = [_foreign(parts, check) for check in checks if not parts.allowed.admit(check.connection.auth_url)]
    if foreign:
        raise Several(foreign)  # before anybody is called

    def look(check: _Check) -> StoreError | None:
        try:
            parts.check_store(check.connection, check.container)
        except StoreError as error:
            return error
        return None

    with ThreadPoolExecutor(_CHECKS_AT_ONCE, thread_name_prefix="check-store") as pool:
        found = [(check, error) for check, error in zip(checks, pool.map(look, checks), strict=True) if error]
    missing = [check for check, error in found if check.results and isinstance(error, ContainerNotFound)]
    if problems := [_complaint(check, error) for check, error in found if check not in missing]:
        raise Several(problems)
    for check in missing:  # last, so that a definition that is refused creates nothing
        try:
            parts.create_container(check.connection, check.container)
        except StoreError as error:
            log.warning("The results container %r could not be created: %s", check.container, error)
            message = (
                f"{check.container_field}: the object store has no container {check.container!r}, and it could not be "
                "created with these credentials"
            )
            raise Several([reason(check.container_field, message, "C103")]) from error
        log.info("Created the results container %r", check.container)


def _checks(definition: TrainingDefinition) -> Iterator[_Check]:
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
            yield _Check(
                connection,
                container,
                f"{field}.connection",
                f"{field}.{place}.container",
                results=field == "training_results",
            )


def _foreign(parts: Parts, check: _Check) -> ErrorItem:
    field = f"{check.connection_field}.auth_url"
    place = place_of(check.connection.auth_url)
    if place is None:
        return reason(field, f"{field}: is not plainly the URL of one host (https://host:port/path)", "C103")
    message = (
        f"{field}: {place} is no object store that this site allows ({parts.allowed.spelled}); whoever runs the "
        f"service names its host in {SETTING}"
    )
    return reason(field, message, "C103")


def _complaint(check: _Check, error: StoreError) -> ErrorItem:
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
    return reason(field, message, "C103")
