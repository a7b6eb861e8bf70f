from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_dlaas._util.retry import RetryPolicy
from airflow_dlaas.contract.stores import S3StoreConnection
from airflow_dlaas.storage.s3.store import S3Store
from tests.integration.storage.s3.scripted_s3 import ScriptedS3, serving

SECRET = "p4ssw0rd-of-the-tests"


@pytest.fixture
def server() -> Iterator[ScriptedS3]:
    with serving() as running:
        yield running


@pytest.fixture
def connection(server: ScriptedS3) -> S3StoreConnection:
    return S3StoreConnection.model_validate(
        {"endpoint_url": server.url, "access_key_id": "an-id", "secret_access_key": SECRET}
    )


@pytest.fixture
def store(connection: S3StoreConnection) -> Iterator[S3Store]:
    """A store that retries without a pause."""
    with S3Store.open(connection, retry_policy=RetryPolicy(attempts=3, first_pause=0, max_pause=5)) as opened:
        yield opened
