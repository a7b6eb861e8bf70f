"""What a store promises for errors: their kind, what they name, and no secret in them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from airflow_dlaas._util.retry import NO_RETRY
from airflow_dlaas.exceptions import (
    ContainerNotFound,
    HostError,
    InvalidName,
    ObjectNotFound,
    StoreNotAllowed,
    StoreRefused,
    StoreUnreachable,
)
from airflow_dlaas.storage.open_object_store import OpenedStore, OpenOptions, open_object_store
from airflow_dlaas.storage.transfer.api import download, upload
from tests.object_stores.cases import WRONG_SECRET, StoreCase
from tests.stored import error_texts, has_clear_message

ONCE = OpenOptions(retry_policy=NO_RETRY)

MISSING = "no-such-container-of-the-tests"

Call = Callable[[OpenedStore, str, Path], object]

CALLS: dict[str, Call] = {
    "check": lambda store, container, _: store.check(container),
    "list": lambda store, container, _: list(store.list_objects(container)),
    "list_dir": lambda store, container, _: list(store.list_dir(container)),
    "put": lambda store, container, _: store.put(container, "a", b"x"),
    "get": lambda store, container, folder: store.get(container, "a", folder / "a"),
    "upload": lambda store, container, folder: upload(store, {"a": folder / "source"}, container),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_missing_container_is_named(store: OpenedStore, tmp_path: Path, call: Call) -> None:
    (tmp_path / "source").write_bytes(b"x")
    with pytest.raises(ContainerNotFound, match=f"'{MISSING}'"):
        call(store, MISSING, tmp_path)
    assert not (tmp_path / "a").exists()


def test_missing_object_is_named(store: OpenedStore, container: str, tmp_path: Path) -> None:
    for call in (
        lambda: store.get(container, "a/b", tmp_path / "a"),
        lambda: store.stat(container, "a/b"),
        lambda: store.get_layout(container, "a/b"),
        lambda: store.read_range(container, "a/b", 0, 1),
    ):
        with pytest.raises(ObjectNotFound, match="'a/b'"):
            call()
    assert not list(tmp_path.iterdir())
    with pytest.raises(ObjectNotFound):
        download(store, container, tmp_path)


def test_wrong_secret_is_refused_and_never_shown(
    case: StoreCase, container: str, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    case.require("authentication")
    (tmp_path / "source").write_bytes(b"x")
    caplog.set_level(logging.DEBUG)
    for call in CALLS.values():
        with open_object_store(case.wrong_secret, ONCE) as store, pytest.raises(StoreRefused) as refused:
            call(store, container, tmp_path)
        assert has_clear_message(refused.value, WRONG_SECRET)
        assert WRONG_SECRET not in repr(store)
    assert WRONG_SECRET not in caplog.text


def test_log_has_no_secret(case: StoreCase, container: str, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    caplog.set_level(logging.DEBUG)
    connection = case.connection
    given = connection.model_dump(context={"reveal": True})
    secrets = [given[key] for key in ("password", "secret_access_key", "access_token") if given.get(key)]
    assert secrets
    with open_object_store(connection) as store:
        store.put(container, "a", b"x")
        with pytest.raises(ObjectNotFound) as missing:
            store.get(container, "b", tmp_path / "b")
    for secret in secrets:
        assert secret not in caplog.text + error_texts(missing.value) + repr(store)


def test_store_that_cannot_be_reached_is_named(case: StoreCase) -> None:
    with open_object_store(case.unreachable, ONCE) as store, pytest.raises(StoreUnreachable) as error:
        store.check("c-1")
    url = case.unreachable.url
    assert url in str(error.value) or "127.0.0.1:1" in str(error.value)


INVALID_NAMES = ["", "/a", "x" * 1025, "a/../b", None, 7]
"""Names that no new object may have."""


@pytest.mark.parametrize("name", INVALID_NAMES, ids=["empty", "slash first", "long", "dots", "none", "number"])
def test_invalid_object_name_is_refused_before_a_request(case: StoreCase, name: object) -> None:
    with open_object_store(case.unreachable, ONCE) as store, pytest.raises(InvalidName):
        store.put("c-1", name, b"x")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["", "a/b", None, "x" * 300], ids=["empty", "slash", "none", "long"])
def test_invalid_container_name_is_refused_before_a_request(case: StoreCase, name: object, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"x")
    with open_object_store(case.unreachable, ONCE) as store:
        for call in CALLS.values():
            with pytest.raises(InvalidName):
                call(store, name, tmp_path)  # type: ignore[arg-type]


def test_host_that_may_not_be_called_is_not_called(case: StoreCase) -> None:
    def refuse(url: str) -> None:
        raise StoreNotAllowed(f"{url} is not allowed")

    options = OpenOptions(require_allowed=refuse)
    with open_object_store(case.connection, options) as store, pytest.raises(StoreNotAllowed):
        store.check("c-1")


def test_download_to_an_unwritable_path_is_an_error_of_this_machine(
    store: OpenedStore, container: str, tmp_path: Path
) -> None:
    store.put(container, "a", b"x")
    with pytest.raises(HostError):
        store.get(container, "a", tmp_path / "no-such-folder" / "a")
