"""What is special in a real OpenStack Swift. The promises of every store are in `tests/conformance/storage`."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import SecretStr

from airflow_dlaas._util.retry import NO_RETRY
from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.exceptions import (
    ObjectNotFound,
    StoreError,
    StoreRefused,
    StoreUnreachable,
)
from airflow_dlaas.storage.swift.auth import AuthToken
from airflow_dlaas.storage.swift.store import SwiftStore
from airflow_dlaas.storage.transfer.api import (
    download,
    upload,
)


@pytest.fixture
def store(swift: SwiftStoreConnection) -> Iterator[SwiftStore]:
    with SwiftStore.open(swift, retry_policy=NO_RETRY) as opened:
        yield opened


@pytest.fixture
def container(store: SwiftStore) -> str:
    name = f"c-{uuid.uuid4().hex}"
    store.create_container(name)
    return name


def test_listing_continues_on_the_next_page(swift: SwiftStoreConnection, container: str, tmp_path: Path) -> None:
    names = [f"{number:05}" for number in range(60)]
    for name in names:
        (tmp_path / name).touch()
    with SwiftStore.open(swift) as store:
        upload(store, tmp_path, container)
        assert [one.name for one in store.list_objects(container)] == names
        # A page of Swift has 10,000 objects: the test requests a page that begins after the 30th object.
        assert [one["name"] for one in store._list_objects_page(container, "", names[29])] == names[30:]


def test_folder_markers_are_recognized(store: SwiftStore, container: str, tmp_path: Path) -> None:
    store.put(container, "a", b"", content_type="application/directory")
    store.put(container, "a/b", b"x")
    store.put(container, "empty", b"")
    assert [one.name for one in store.list_objects(container) if one.is_folder_marker] == ["a"]
    assert download(store, container, tmp_path).files == 2


def test_wrong_password_is_refused_and_never_shown(
    swift: SwiftStoreConnection, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = swift.model_copy(update={"password": SecretStr("hunter2-hunter2")})
    with SwiftStore.open(wrong) as store, pytest.raises(StoreRefused, match="check userId and password") as refused:
        store.check("c")
    assert "hunter2" not in caplog.text + repr(store) + str(refused.value) + repr(refused.value.__cause__)


def test_log_contains_no_part_of_a_token_or_key(
    swift: SwiftStoreConnection, container: str, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    with SwiftStore.open(swift) as store, caplog.at_level(logging.DEBUG, "swiftclient"):
        store.put(container, "a", b"x")
        with pytest.raises(ObjectNotFound):
            store.get(container, "b", tmp_path / "b")
        token = store.session._authenticator.get_token().value
    assert "X-Auth-Token" in caplog.text or "x-auth-token" in caplog.text
    assert token not in caplog.text
    assert token[3:12] not in caplog.text
    assert swift.password.get_secret_value()[:6] not in caplog.text


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"auth_url": "http://127.0.0.1:1/auth/v1.0"}, StoreUnreachable),
        ({"auth_url": "http://no-such-host.invalid/auth/v1.0"}, StoreUnreachable),
    ],
)
def test_wrong_auth_url_is_named_in_the_error(
    swift: SwiftStoreConnection, change: dict[str, str], kind: type[StoreError]
) -> None:
    with SwiftStore.open(swift.model_copy(update=change), retry_policy=NO_RETRY) as store, pytest.raises(kind) as error:
        store.check("c")
    assert change["auth_url"] in str(error.value)


def test_wrong_path_of_auth_url_is_named_in_the_error(swift: SwiftStoreConnection) -> None:
    wrong = swift.model_copy(update={"auth_url": swift.auth_url.replace("/auth/v1.0", "/elsewhere")})
    with SwiftStore.open(wrong) as store, pytest.raises(StoreError, match=r"usually ends in /auth/v1\.0"):
        store.check("c")


def test_expired_token_is_renewed_without_an_error(store: SwiftStore, container: str, tmp_path: Path) -> None:
    """A token that the store rejects is replaced, also when the body is bytes."""
    authenticator = store.session._authenticator
    authenticator._token = AuthToken(authenticator.get_token().storage_url, "AUTH_tk_expired")
    store.put(container, "a", b"content")
    authenticator._token = AuthToken(authenticator.get_token().storage_url, "AUTH_tk_expired")
    assert store.get(container, "a", tmp_path / "a") == 7


def test_close_leaves_no_connection_open(swift: SwiftStoreConnection, container: str) -> None:
    with closing(SwiftStore.open(swift)) as store:
        store.check(container)
        store.put(container, "a", b"x")
        assert store.session.swiftclient_pool._idle
        (idle,) = (idle for _, idle in store.session.http_pool._routes.values())
        (connection,) = idle
    assert not store.session.swiftclient_pool._idle
    assert not idle
    assert connection.sock is None
    assert threading.active_count() < 20
