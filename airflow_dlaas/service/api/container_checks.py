"""The checks of the containers that a definition names, with their credentials, when it is submitted."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from airflow_dlaas.contract.data_manifest import version_object_name
from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.error import ErrorItem
from airflow_dlaas.contract.stores import ContainerRef, DataContainerRef, StoreConnection
from airflow_dlaas.exceptions import (
    ContainerNotFound,
    InvalidName,
    ObjectNotFound,
    StoreError,
    StoreNotAllowed,
    StoreRedirected,
    StoreUnreachable,
)
from airflow_dlaas.service.api.dependencies import ApiDeps
from airflow_dlaas.service.api.error_responses import InvalidFields, field_error
from airflow_dlaas.service.object_store_allowlist import OBJECT_STORES_SETTING, parse_host_port

logger = logging.getLogger(__name__)

_MAX_CONCURRENT_CHECKS = 8


@dataclass(frozen=True, slots=True)
class _ContainerCheck:
    connection: StoreConnection
    container: str
    connection_field: str
    container_field: str
    is_results: bool
    """Whether the container is for results only. Such a container is created if it does not exist."""
    version: str | None = None
    """The version of the data that the container must have."""

    @property
    def version_field(self) -> str:
        """The path of the field with the version."""
        return self.container_field.removesuffix("container") + "version"


def require_containers(deps: ApiDeps, definition: TrainingDefinition) -> None:
    """
    Check that the containers of *definition* can be used, and create that of the results if it does not exist.

    :raises InvalidRequest: C103 for each container that cannot be used; nothing was created then.
    """
    checks = list(_container_checks(definition))
    not_allowed = [
        _not_allowed_error(deps, check) for check in checks if not deps.allowlist.allows(check.connection.url)
    ]
    if not_allowed:
        raise InvalidFields(not_allowed)  # before any object store is called

    def store_error(check: _ContainerCheck) -> StoreError | None:
        try:
            deps.check_container(check.connection, check.container)
            if check.version is not None:
                name = version_object_name(check.version)
                if not deps.has_object(check.connection, check.container, name):
                    return ObjectNotFound(check.container, name)
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
    """Yield one check for each container of *definition*, and for each version of it; none is checked twice."""
    seen: list[tuple[StoreConnection, str, str | None]] = []
    references: list[tuple[StoreConnection, ContainerRef, str, str]] = [
        (data.connection, data.source, f"training_data[{index}]", "source")
        for index, data in enumerate(definition.training_data)
        if isinstance(data.source, DataContainerRef) and data.connection is not None
    ]
    results = definition.training_results
    if results is not None:
        references.append((results.connection, results.container_ref, "training_results", results.target_key))
    for connection, reference, field, container_key in references:
        version = reference.version if isinstance(reference, DataContainerRef) else None
        if (connection, reference.container, version) not in seen:
            seen += [(connection, reference.container, version), (connection, reference.container, None)]
            yield _ContainerCheck(
                connection,
                reference.container,
                f"{field}.connection",
                f"{field}.{container_key}.container",
                is_results=field == "training_results",
                version=version,
            )


def _not_allowed_error(deps: ApiDeps, check: _ContainerCheck) -> ErrorItem:
    field = f"{check.connection_field}.{check.connection.url_key}"
    host_port = parse_host_port(check.connection.url)
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
        case ObjectNotFound():
            field = check.version_field
            message = (
                f"{field}: container {check.container!r} has no version {check.version}; airflow-dlaas data version "
                "makes one"
            )
        case InvalidName():
            field = check.container_field
            message = f"{field}: {error}"
        case StoreUnreachable() | StoreRedirected() | StoreNotAllowed():
            field = f"{check.connection_field}.{check.connection.url_key}"
            message = f"{field}: {error}"
        case _:  # the error of a store names what to check: a key, an expired token, the clock
            field = check.connection_field
            message = f"{field}: {error}"
    return field_error(field, message, "C103")
