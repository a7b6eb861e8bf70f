"""S3 over TLS, with the certificate of an authority of one's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from airflow_dlaas._util.retry import NO_RETRY
from airflow_dlaas.contract.stores import S3StoreConnection
from airflow_dlaas.exceptions import StoreError
from airflow_dlaas.service.config.tls import TlsConfig
from airflow_dlaas.service.objectstore.embedded import EmbeddedSwift
from airflow_dlaas.storage.body import FileBody
from airflow_dlaas.storage.open_object_store import OpenOptions, open_object_store
from tests import certificates
from tests.conftest import free_port

PART = 5 * 1024**2


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> certificates.Pair:
    return certificates.pair(tmp_path_factory.mktemp("tls"), "127.0.0.1")


@pytest.fixture(scope="module")
def connection(files: certificates.Pair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3StoreConnection]:
    folder = tmp_path_factory.mktemp("store")
    tls = TlsConfig(files.certificate, files.key)
    with EmbeddedSwift(folder, port=free_port(), user="dlaas:trainer", key="made-up-key", tls=tls) as store:
        url = store.login.auth_url.removesuffix("/auth/v1.0")
        yield S3StoreConnection(
            endpoint_url=url, access_key_id="dlaas:trainer", secret_access_key=SecretStr("made-up-key")
        )


def test_content_is_sent_and_fetched_over_tls(connection: S3StoreConnection, files: certificates.Pair, tmp_path: Path):
    source, fetched = tmp_path / "source", tmp_path / "fetched"
    source.write_bytes(os.urandom(PART + 1000))
    with open_object_store(connection, OpenOptions(verify=str(files.certificate))) as store:
        store.create_container("box")
        store.put("box", "whole", source)
        upload = store.begin_multipart("box", "parts", size=PART + 1000, part_size=PART)
        upload.put_part(0, FileBody(str(source), 0, PART))
        upload.put_part(1, FileBody(str(source), PART, 1000))
        upload.complete()
        for name in ("whole", "parts"):
            store.get("box", name, fetched)
            assert fetched.read_bytes() == source.read_bytes()


def test_certificate_that_is_not_trusted_is_refused(connection: S3StoreConnection):
    with (
        open_object_store(connection, OpenOptions(retry_policy=NO_RETRY)) as store,
        pytest.raises(StoreError, match="certificate"),
    ):
        store.check("box")
