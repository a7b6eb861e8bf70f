"""Results in a real OpenStack Swift, as the pages read them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import closing

import pytest
from pydantic import SecretStr

from airflow_dlaas.contract.stores import StoreType, SwiftStoreConnection
from airflow_dlaas.exceptions import ContainerNotFound, NotConfigured, ObjectNotFound, StoreError, StoreRefused
from airflow_dlaas.hooks.store_connections.airflow_connection import ObjectStoreConnection
from airflow_dlaas.hooks.store_connections.swift import SwiftFields
from airflow_dlaas.plugin import result_stores
from airflow_dlaas.plugin.result_stores import ResultStores
from airflow_dlaas.plugin.results import ResultFolder
from airflow_dlaas.storage.body import as_body
from airflow_dlaas.storage.object_store import Part
from airflow_dlaas.storage.swift.store import SwiftStore

CONTENT = bytes(range(256)) * 40


@pytest.fixture
def store(swift: SwiftStoreConnection) -> Iterator[SwiftStore]:
    with SwiftStore.open(swift) as opened:
        yield opened


@pytest.fixture
def container(store: SwiftStore) -> str:
    name = f"results-{uuid.uuid4().hex}"
    store.create_container(name)
    return name


@pytest.fixture
def folder(swift: SwiftStoreConnection, container: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[ResultFolder]:
    fields = {
        "conn_type": "swift",
        "host": swift.auth_url,
        "login": swift.user_id,
        "password": swift.password.get_secret_value(),
    }
    monkeypatch.setenv("AIRFLOW_CONN_RESULTS", json.dumps(fields))
    monkeypatch.setattr(result_stores, "CHUNK_SIZE", 1000)
    with closing(ResultStores()) as stores:
        yield ResultFolder(stores, "results", container, "training-1")


def test_results_are_listed_shown_and_downloaded(store: SwiftStore, container: str, folder: ResultFolder) -> None:
    store.put(container, "training-1/weights ä.h5", CONTENT)
    store.put(container, "training-1/empty.txt", b"")
    store.put(container, "training-1/learner-1/training-log.txt", b"one\ntwo\n")
    store.put(container, "training-2/other.txt", b"other")
    names = [(one.name, one.size) for one in folder.list_files().files]
    assert names == [("empty.txt", 0), ("learner-1/training-log.txt", 8), ("weights ä.h5", len(CONTENT))]
    assert folder.preview("learner-1/training-log.txt").text == "one\ntwo\n"
    assert folder.preview("empty.txt").text == ""
    for name, content in (("weights ä.h5", CONTENT), ("empty.txt", b"")):
        size, chunks = folder.open(name)
        assert (size, b"".join(chunks)) == (len(content), content)
    assert folder.read_end("learner-1/training-log.txt", 5) == b"\ntwo\n"
    assert folder.read_end("learner-1/training-log.txt", 50) == b"one\ntwo\n"


def test_object_of_segments_is_downloaded_as_one_file(store: SwiftStore, container: str, folder: ResultFolder) -> None:
    parts = []
    for start in range(0, len(CONTENT), 3000):
        piece = CONTENT[start : start + 3000]
        md5 = store.put_segment(container, f"segments/{start}", as_body(piece))
        parts.append(Part(start, len(piece), md5, (container, f"segments/{start}")))
    store.complete_multipart(container, "training-1/large.bin", parts)
    size, chunks = folder.open("large.bin")
    assert (size, b"".join(chunks)) == (len(CONTENT), CONTENT)


def test_download_of_a_replaced_object_breaks_off(store: SwiftStore, container: str, folder: ResultFolder) -> None:
    store.put(container, "training-1/model", CONTENT)
    _, chunks = folder.open("model")
    assert next(chunks) == CONTENT[:1000]
    store.put(container, "training-1/model", bytes(len(CONTENT)))
    with pytest.raises(StoreError):
        next(chunks)


def test_missing_objects_and_credentials_are_sentences(swift: SwiftStoreConnection, folder: ResultFolder) -> None:
    with pytest.raises(ObjectNotFound, match="no file with this name"):
        folder.open("missing")
    with pytest.raises(ObjectNotFound):
        folder.preview("missing.txt")
    with pytest.raises(ContainerNotFound, match="'results'"):
        ResultFolder(folder.stores, "results", "none", "training-1").list_files()
    with pytest.raises(NotConfigured, match="'unknown'"):
        ResultFolder(folder.stores, "unknown", "none", "training-1").list_files()
    wrong = swift.model_copy(update={"password": SecretStr("wrong")})
    connection = ObjectStoreConnection("results", "swift", StoreType.SOFTLAYER, SwiftFields(wrong))
    with closing(ResultStores(lambda _: connection)) as refusing, pytest.raises(StoreRefused) as refused:
        ResultFolder(refusing, "results", folder.container, "training-1").list_files()
    assert swift.auth_url not in str(refused.value)
