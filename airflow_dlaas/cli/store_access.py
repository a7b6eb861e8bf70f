"""Opens the object store of a command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow_dlaas._util.retry import RetryPolicy
from airflow_dlaas.cli.connection_options import StoreAccess
from airflow_dlaas.exceptions import NotConfigured

if TYPE_CHECKING:
    from airflow_dlaas.storage.open_object_store import OpenedStore


@contextmanager
def open_store(access: StoreAccess, *, retries: RetryPolicy | None = None) -> Iterator[OpenedStore]:
    """
    Open an object store that `connection_options.find_store` found; no request is sent yet.

    :raises NotConfigured: the connection is invalid.
    """
    from pydantic import ValidationError

    from airflow_dlaas.contract.stores import GcsStoreConnection, S3StoreConnection, StoreKind, SwiftStoreConnection
    from airflow_dlaas.contract.validation_messages import validation_messages
    from airflow_dlaas.storage.open_object_store import OpenOptions, open_object_store

    models: dict[StoreKind, type[SwiftStoreConnection | S3StoreConnection | GcsStoreConnection]] = {
        StoreKind.SWIFT: SwiftStoreConnection,
        StoreKind.S3: S3StoreConnection,
        StoreKind.GCS: GcsStoreConnection,
    }
    try:
        connection = models[access.store_type.kind].model_validate(access.connection)
    except ValidationError as error:
        # Without the cause, whose text has the values.
        problems = "; ".join(validation_messages(error))
        raise NotConfigured(f"The connection to the object store ({access.place}) is invalid: {problems}") from None
    with open_object_store(
        connection, OpenOptions(verify=access.verify, retry_policy=retries or RetryPolicy())
    ) as store:
        yield store
