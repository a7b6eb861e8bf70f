"""The store with Keystone v3, as Bluemix had it: the same guarantees, with a real Keystone and a real Swift."""

from __future__ import annotations

import json
import logging
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from airflow.sdk import Connection
from pydantic import SecretStr

from airflow_dlaas._util.retry import NO_RETRY
from airflow_dlaas.contract.stores import StoreType, SwiftStoreConnection
from airflow_dlaas.exceptions import StoreRefused
from airflow_dlaas.hooks.store_connections.airflow_connection import read_store_connection
from airflow_dlaas.hooks.swift import SwiftHook
from airflow_dlaas.storage.swift.store import SwiftStore
from tests.keystone.cloud import BARE_REGION, Cloud
from tests.keystone.environment import CHECKOUT, requirements

WRONG = "hunter2-hunter2"


@pytest.fixture
def store(keystone: SwiftStoreConnection) -> Iterator[SwiftStore]:
    with SwiftStore.open(keystone, retry_policy=NO_RETRY) as opened:
        yield opened


@pytest.fixture
def container(store: SwiftStore) -> str:
    name = f"c-{uuid.uuid4().hex}"
    store.create_container(name)
    return name


def fields(connection: SwiftStoreConnection) -> dict[str, str | None]:
    """Return the extra fields of a connection with Keystone."""
    return {"project_id": connection.project_id, "region": connection.region, "domain_name": connection.domain_name}


def test_login_by_user_id_and_project_id(
    store: SwiftStore, keystone: SwiftStoreConnection, container: str, tmp_path: Path
) -> None:
    assert keystone.user_name is None
    store.put(container, "deep/ü", b"content")
    store.check(container)
    assert container in store.list_containers()
    assert [(one.name, one.size) for one in store.list_objects(container)] == [("deep/ü", 7)]
    assert store.get(container, "deep/ü", tmp_path / "got") == 7
    assert (tmp_path / "got").read_bytes() == b"content"
    store.delete(container, ["deep/ü"])
    assert not list(store.list_objects(container))


def test_login_by_user_name_and_domain(keystone: SwiftStoreConnection, cloud: Cloud, container: str) -> None:
    named = keystone.model_copy(update={"user_id": None, "user_name": cloud.user_name})
    with SwiftStore.open(named) as store:
        assert container in store.list_containers()


@pytest.mark.parametrize("end", ["", "/", "/v3", "/v3/"])
def test_auth_url_works_with_and_without_the_version(keystone: SwiftStoreConnection, container: str, end: str) -> None:
    address = keystone.auth_url.removesuffix("/v3") + end
    with SwiftStore.open(keystone.model_copy(update={"auth_url": address})) as store:
        store.check(container)


def test_wrong_password_is_refused_and_never_shown(
    keystone: SwiftStoreConnection, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = keystone.model_copy(update={"password": SecretStr(WRONG)})
    with SwiftStore.open(wrong) as store, pytest.raises(StoreRefused, match="check userId, password") as refused:
        store.check("c")
    assert WRONG not in caplog.text + repr(store) + str(refused.value) + repr(refused.value.__cause__)


def test_log_contains_no_part_of_a_token_or_password(
    keystone: SwiftStoreConnection, cloud: Cloud, container: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with SwiftStore.open(keystone) as store:
        store.put(container, "a", b"x")
        cloud.revoke(cloud.tokens()[-1])
        store.put(container, "b", b"x")
    assert "keystoneauth" in caplog.text
    for secret in (keystone.password.get_secret_value(), *cloud.tokens()[-2:]):
        assert secret[:12] not in caplog.text
        assert secret[-12:] not in caplog.text


@pytest.mark.parametrize(
    "change",
    [
        {"project_id": "0" * 32},
        {"user_id": "0" * 32},
        {"user_id": None, "user_name": "unknown-user"},
        {"user_id": None, "user_name": "trainer", "domain_name": "Default"},
    ],
    ids=["project", "user", "name", "domain"],
)
def test_unknown_user_or_project_is_refused(keystone: SwiftStoreConnection, change: dict[str, str]) -> None:
    with SwiftStore.open(keystone.model_copy(update=change)) as store, pytest.raises(StoreRefused, match="project_id"):
        store.check("c")


@pytest.mark.parametrize("region", [BARE_REGION, "atlantis"])
def test_region_without_an_object_store_is_named(keystone: SwiftStoreConnection, region: str) -> None:
    elsewhere = keystone.model_copy(update={"region": region})
    with SwiftStore.open(elsewhere) as store, pytest.raises(StoreRefused, match=f"region '{region}'.*check region"):
        store.check("c")


def test_revoked_token_is_renewed_once(
    keystone: SwiftStoreConnection, cloud: Cloud, container: str, tmp_path: Path
) -> None:
    """Also for a user that is known by id, for which swiftclient does not renew the token."""
    (tmp_path / "source").write_bytes(b"y" * 3_000_000)
    with SwiftStore.open(keystone, retry_policy=NO_RETRY) as store:
        operations: list[Callable[[], object]] = [
            lambda: store.put(container, "bytes", b"xx"),
            lambda: store.put(container, "file", tmp_path / "source"),
            lambda: store.get(container, "file", tmp_path / "got"),
            lambda: list(store.list_objects(container)),
            lambda: store.delete(container, ["file"]),
        ]
        store.put(container, "bytes", b"x")
        before = len(cloud.tokens())
        for renewals, operation in enumerate(operations, 1):
            cloud.revoke(cloud.tokens()[-1])
            operation()
            store.check(container)
            assert len(cloud.tokens()) - before == renewals
        assert [(one.name, one.size) for one in store.list_objects(container)] == [("bytes", 2)]
    assert (tmp_path / "got").read_bytes() == b"y" * 3_000_000


def test_threads_log_in_once_together_and_renew_a_revoked_token_once(
    keystone: SwiftStoreConnection, cloud: Cloud, container: str
) -> None:
    threads, before = 8, len(cloud.tokens())
    barrier = threading.Barrier(threads)
    with SwiftStore.open(keystone, retry_policy=NO_RETRY) as store, ThreadPoolExecutor(threads) as pool:

        def put(number: int) -> None:
            barrier.wait(60)
            store.put(container, f"{number}", b"x" * number)

        list(pool.map(put, range(threads)))
        assert len(cloud.tokens()) - before == 1
        cloud.revoke(cloud.tokens()[-1])
        list(pool.map(put, range(threads, 2 * threads)))
        assert len(cloud.tokens()) - before == 2
        assert sum(one.size for one in store.list_objects(container)) == sum(range(2 * threads))


def test_airflow_connection_gives_the_same_credentials(keystone: SwiftStoreConnection) -> None:
    connection = Connection(
        conn_id="bluemix",
        conn_type="swift",
        host=keystone.auth_url,
        login=keystone.user_id,
        password=keystone.password.get_secret_value(),
        extra=json.dumps(fields(keystone)),
    )
    access = read_store_connection(connection)
    assert access.find_credentials().connection == keystone
    assert access.store_type is StoreType.BLUEMIX


def test_connection_test_of_the_hook_succeeds_or_gives_the_reason(
    keystone: SwiftStoreConnection, container: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def test_connection(password: str) -> tuple[bool, str]:
        given = {"conn_type": "swift", "host": keystone.auth_url, "login": keystone.user_id, "password": password}
        monkeypatch.setenv("AIRFLOW_CONN_BLUEMIX", json.dumps(given | {"extra": fields(keystone)}))
        hook = SwiftHook("bluemix")
        try:
            return hook.test_connection()
        finally:
            hook.store.close()

    accepted, message = test_connection(keystone.password.get_secret_value())
    assert accepted, message
    accepted, message = test_connection(WRONG)
    assert not accepted
    assert "check userId, password" in message
    assert WRONG not in message


def test_swift_of_the_keystone_environment_is_the_pinned_version() -> None:
    (pinned,) = [one for one in (CHECKOUT / "constraints.txt").read_text().splitlines() if one.startswith("swift==")]
    assert pinned.partition(" ;")[0] in requirements()
