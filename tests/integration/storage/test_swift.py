"""The guarantees of `ObjectStore`, with a real OpenStack Swift."""

from __future__ import annotations

import hashlib
import logging
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import SecretStr

from airflow_dlaas._util.retry import NO_RETRY
from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.exceptions import (
    ContainerNotFound,
    Corrupted,
    ObjectNotFound,
    StoreError,
    StoreRefused,
    StoreUnreachable,
)
from airflow_dlaas.storage.object_store import ObjectStore
from airflow_dlaas.storage.swift.auth import AuthToken
from airflow_dlaas.storage.swift.store import SwiftStore
from airflow_dlaas.storage.transfer.api import (
    DownloadOptions,
    Progress,
    TransferReport,
    UploadOptions,
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


def test_swift_is_an_object_store(store: SwiftStore, container: str) -> None:
    one: ObjectStore = store
    one.check(container)
    assert container in one.list_containers()


def test_create_container_accepts_an_existing_container(store: SwiftStore, container: str) -> None:
    store.put(container, "a", b"x")
    store.create_container(container)
    assert [one.name for one in store.list_objects(container)] == ["a"]


@pytest.mark.parametrize("content", [b"", b"x", b"\x00\xff" * 2_000_000])
def test_get_returns_what_put_stored(store: SwiftStore, container: str, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "source").write_bytes(content)
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    assert store.put(container, "file", tmp_path / "source") == md5
    assert store.put(container, "bytes", content) == md5
    for name in ("file", "bytes"):
        assert store.get(container, name, tmp_path / name) == len(content)
        assert (tmp_path / name).read_bytes() == content
    assert {(one.size, one.md5) for one in store.list_objects(container)} == {(len(content), md5)}


@pytest.mark.parametrize("name", ["a b", "ü/ö", "100%", "a?b=c&d#e", "deep/er/file", "%2e%2e", "日本"])
def test_object_names_keep_their_spelling(store: SwiftStore, container: str, tmp_path: Path, name: str) -> None:
    store.put(container, name, b"x", content_type="text/plain")
    assert [one.name for one in store.list_objects(container, name)] == [name]
    assert store.get(container, name, tmp_path / "x") == 1
    store.delete(container, [name])
    assert not list(store.list_objects(container))


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


def test_missing_container_and_missing_object_are_distinguished(
    store: SwiftStore, container: str, tmp_path: Path
) -> None:
    with pytest.raises(ContainerNotFound, match="'no-such'"):
        store.check("no-such")
    with pytest.raises(ContainerNotFound):
        list(store.list_objects("no-such"))
    with pytest.raises(ContainerNotFound):
        store.put("no-such", "a", b"x")
    with pytest.raises(ContainerNotFound):
        store.get("no-such", "a", tmp_path / "a")
    with pytest.raises(ObjectNotFound, match="'a'"):
        store.get(container, "a", tmp_path / "a")
    store.delete(container, ["a"])
    assert not list(tmp_path.iterdir())


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


def test_threads_share_a_store(store: SwiftStore, container: str, tmp_path: Path) -> None:
    def round_trip(number: int) -> bool:
        content = f"{number}".encode() * number
        store.put(container, f"{number}", content)
        store.get(container, f"{number}", tmp_path / f"{number}")
        return (tmp_path / f"{number}").read_bytes() == content

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(round_trip, range(80)))
    assert len(store.session.swiftclient_pool._idle) <= 8


def test_folder_round_trip_transfers_nothing_the_second_time(store: SwiftStore, container: str, tmp_path: Path) -> None:
    for number in range(30):
        path = tmp_path / "here" / f"{number % 3}" / f"{number}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes([number]) * number * 1000)
    total = 1000 * sum(range(30))
    seen: list[Progress] = []
    assert upload(
        store, tmp_path / "here", container, UploadOptions(prefix="p", progress=seen.append)
    ) == TransferReport(30, total, 0)
    assert seen[-1] == Progress(total, total, 30, 30)
    assert download(store, container, tmp_path / "there", DownloadOptions(prefix="p")) == TransferReport(30, total, 0)
    for path in (tmp_path / "here").rglob("*.bin"):
        assert (tmp_path / "there" / path.relative_to(tmp_path / "here")).read_bytes() == path.read_bytes()
    assert upload(store, tmp_path / "here", container, UploadOptions(prefix="p")) == TransferReport(0, 0, 30)
    assert download(store, container, tmp_path / "there", DownloadOptions(prefix="p")) == TransferReport(0, 0, 30)


def test_put_with_a_wrong_md5_keeps_the_old_object(store: SwiftStore, container: str, tmp_path: Path) -> None:
    store.put(container, "a", b"before")
    with pytest.raises(Corrupted, match="was not stored"):
        store.put(container, "a", b"after", md5="0" * 32)
    store.get(container, "a", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"before"


def test_file_written_during_its_upload_is_never_stored_partially(
    store: SwiftStore, container: str, tmp_path: Path
) -> None:
    """What is stored at the end is the new content of the file."""
    path = tmp_path / "log"
    path.write_bytes(b"x" * 3_000_000)
    store.put(container, "log", b"before")

    def change(count: int) -> None:
        if count > 0 and path.stat().st_size == 3_000_000:
            path.write_bytes(b"y" * 2_000_000)

    with SwiftStore.open(store._connection) as retrying_store:
        retrying_store.put(container, "log", path, on_progress=change)
    (one,) = store.list_objects(container)
    assert one.md5 == hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


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
