"""
No method sends a request with an invalid name.

The server of these tests accepts connections and never responds, so that each request can be detected. The methods are
found by introspection of the interface, so that a new method without a check fails here.
"""

from __future__ import annotations

import inspect
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr

from airflow_dlaas._util.retry import NO_RETRY
from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.exceptions import InvalidArgument, InvalidName, StoreError
from airflow_dlaas.storage.body import BytesBody
from airflow_dlaas.storage.fsspec import SwiftFileSystem
from airflow_dlaas.storage.object_store import ObjectLayout, ObjectStore, Part, StoredObject
from airflow_dlaas.storage.swift.object_upload import ManifestUpload, ObjectUpload
from airflow_dlaas.storage.swift.store import SwiftStore
from airflow_dlaas.storage.transfer import api
from airflow_dlaas.storage.transfer.copy import copy
from airflow_dlaas.storage.transfer.stream_upload import StreamUpload
from tests.unit.contract.test_store_names import BAD_CONTAINERS, BAD_NAMES, BAD_NEW_NAMES, BAD_PREFIXES, NOT_TEXTS

BAD_LIST_PREFIXES = [*NOT_TEXTS, "\udcff", "x" * 1025, "a\0"]

BAD: dict[str, list[Any]] = {
    "container": BAD_CONTAINERS,
    "to_container": BAD_CONTAINERS,
    "prefix": BAD_LIST_PREFIXES,
    "folder": BAD_LIST_PREFIXES,
    "to_name": BAD_NEW_NAMES,
    # Names to delete may contain "." and "..": they come from a listing, and are sent in a body and not in a URL.
    "names": [one for one in BAD_NAMES if not isinstance(one, str) or "." not in one],
}
"""Invalid values for each parameter of a method that is a name."""

STORING_METHODS = {"put", "require_multipart_name", "begin_multipart", "replacing"}

METHODS_WITHOUT_NAMES = {"limits", "list_containers"}

METHODS_WITHOUT_REQUESTS = {"require_multipart_name"}


@pytest.fixture
def silent_server() -> Iterator[socket.socket]:
    """A server that never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        server.setblocking(False)
        yield server


@pytest.fixture
def store(silent_server: socket.socket) -> Iterator[SwiftStore]:
    connection = SwiftStoreConnection(
        auth_url=f"http://127.0.0.1:{silent_server.getsockname()[1]}/auth/v1.0",
        user_id="a:u",
        password=SecretStr("made-up"),
    )
    with SwiftStore.open(connection, connect_timeout=1, read_timeout=0.1, retry_policy=NO_RETRY) as opened:
        yield opened


def was_requested(server: socket.socket) -> bool:
    """Whether a client has connected since the last call."""
    try:
        server.accept()[0].close()
    except BlockingIOError:
        return False
    return True


def methods_with_names() -> Iterator[tuple[str, str]]:
    """Yield each method of an object store with each of its parameters that is a name."""
    for method, function in inspect.getmembers(ObjectStore, inspect.isfunction):
        if method.startswith("_"):
            continue
        names = [one for one in inspect.signature(function).parameters if one in {*BAD, "name"}]
        assert names or method in METHODS_WITHOUT_NAMES, method
        yield from ((method, one) for one in names)


def invalid_values(method: str, parameter: str) -> list[Any]:
    """Return invalid values for *parameter* of *method*."""
    if parameter != "name":
        return BAD[parameter]
    if "container" not in inspect.signature(getattr(ObjectStore, method)).parameters:
        return BAD_CONTAINERS  # its only name
    return BAD_NEW_NAMES if method in STORING_METHODS else BAD_NAMES


GOOD: dict[str, Any] = {
    "container": "c",
    "name": "n",
    "to_container": "c",
    "to_name": "m",
    "prefix": "",
    "folder": "",
    "names": ["n"],
    "source": b"x",
    "destination": Path("/nonexistent/file"),
    "layout": ObjectLayout(1, "e", None),
    "part": Part(0, 1),
    "write_at": lambda *_: None,
    "start": 0,
    "end": 1,
    "size": 1,
    "part_size": 1,
    "objects": [StoredObject("n", 1, "m", datetime(2026, 1, 1, tzinfo=timezone.utc))],
    "is_abandoned": lambda _: True,
}


def call(function: Callable[..., Any], parameter: str, value: Any) -> None:
    """Call *function* with *value* for *parameter*; exhaust the result if it is a generator, enter it as a context."""
    needed = [
        name
        for name, one in inspect.signature(function).parameters.items()
        if one.default is one.empty or name == parameter
    ]
    found = function(**{name: value if name == parameter else GOOD[name] for name in needed})
    if inspect.isgenerator(found):
        list(found)
    if isinstance(found, AbstractContextManager):
        with found:
            pass


@pytest.mark.parametrize(("method", "parameter"), list(methods_with_names()))
def test_no_method_sends_a_request_with_an_invalid_name(
    store: SwiftStore, silent_server: socket.socket, method: str, parameter: str
) -> None:
    function = getattr(store, method)
    for value in invalid_values(method, parameter):
        given = [value] if parameter == "names" else value
        with pytest.raises(InvalidName):
            call(function, parameter, given)
        assert not was_requested(silent_server), (method, parameter, value)
    if method in METHODS_WITHOUT_REQUESTS:
        call(function, parameter, GOOD[parameter])
        return
    with pytest.raises(StoreError) as caught:
        call(function, parameter, GOOD[parameter])
    assert not isinstance(caught.value, InvalidName)
    assert was_requested(silent_server)  # proves that a request would be detected


def test_segment_in_an_invalid_container_is_refused(store: SwiftStore, silent_server: socket.socket) -> None:
    with pytest.raises(InvalidName):
        store.complete_multipart("c", "n", [Part(0, 1, "m", ("", "x"))])
    assert not was_requested(silent_server)


def test_objects_with_unusual_names_are_only_listed_and_deleted(swift: SwiftStoreConnection, tmp_path: Path) -> None:
    """
    Other programs may have stored them. A library that normalizes ``/c/../d/x`` would send a request for another
    container.
    """
    container, other = f"odd-{uuid4().hex[:8]}", f"other-{uuid4().hex[:8]}"
    odd_names = sorted(["/x", "a//b", "a/", f"../{other}/x", f"../{other}", "a/./b", "..", " "])
    with SwiftStore.open(swift) as store:
        for name in (container, other):
            store.create_container(name)
        store.put(other, "x", b"1")
        for name in odd_names:
            store.session.run(ObjectUpload(store.session, container, name, b"1").send, what="Uploading")
        segment = Part(0, 1, store.put_segment(other, "x", BytesBody(b"1")), (other, "x"))
        manifest = ManifestUpload(store.session, container, f"../{other}/large", [segment])
        store.session.run(manifest.send, what="Uploading")
        assert sorted(one.name for one in store.list_objects(container)) == sorted([*odd_names, f"../{other}/large"])
        with pytest.raises(StoreError, match=r"'\.\.' \(it has the step '\.\.'\)"):
            api.download(store, container, tmp_path / "to")
        with pytest.raises(InvalidName):
            store.stat(container, f"../{other}/x")
        assert api.delete_objects(store, container, names="/x") == ["/x"]
        assert sorted(api.delete_objects(store, container, prefix="a")) == ["a/", "a/./b", "a//b"]
        store.delete(container, "..")
        deleted = [" ", f"../{other}", f"../{other}/large", f"../{other}/x"]
        assert sorted(api.delete_objects(store, container)) == sorted(deleted)
        assert list(store.list_objects(container)) == []
        assert [one.name for one in store.list_objects(other)] == ["x"]


# ---- whole transfers


def transfer_calls(store: SwiftStore, folder: Path) -> dict[tuple[str, str], tuple[list[Any], Callable[[Any], Any]]]:
    """Return invalid values and a call for each function and parameter."""
    (folder / "file").write_text("x")
    return {
        ("upload", "container"): (
            BAD_CONTAINERS,
            lambda value: api.upload(store, folder, value, api.UploadOptions(create_container=True)),
        ),
        ("upload", "prefix"): (
            BAD_PREFIXES,
            lambda value: api.upload(store, folder, "c", api.UploadOptions(prefix=value, create_container=True)),
        ),
        ("upload", "sources"): (
            [one for one in BAD_NEW_NAMES if isinstance(one, str)] + ["a/"],
            lambda value: api.upload(store, {value: folder / "file"}, "c", api.UploadOptions(create_container=True)),
        ),
        ("plan_upload", "container"): (BAD_CONTAINERS, lambda value: api.plan_upload(store, folder, value)),
        ("plan_upload", "prefix"): (
            BAD_PREFIXES,
            lambda value: api.plan_upload(store, folder, "c", api.UploadOptions(prefix=value)),
        ),
        ("download", "container"): (BAD_CONTAINERS, lambda value: api.download(store, value, folder / "to")),
        ("download", "prefix"): (
            BAD_PREFIXES,
            lambda value: api.download(store, "c", folder / "to", api.DownloadOptions(prefix=value)),
        ),
        ("download", "names"): (
            BAD_NAMES,
            lambda value: api.download(store, "c", folder / "to", api.DownloadOptions(names=[value])),
        ),
        ("delete_objects", "container"): (BAD_CONTAINERS, lambda value: api.delete_objects(store, value)),
        ("delete_objects", "prefix"): (BAD_PREFIXES, lambda value: api.delete_objects(store, "c", prefix=value)),
        ("delete_objects", "names"): (BAD_NAMES, lambda value: api.delete_objects(store, "c", names=[value])),
        ("copy", "container"): (BAD_CONTAINERS, lambda value: copy(store, value, "n", "c", "m")),
        ("copy", "name"): (BAD_NAMES, lambda value: copy(store, "c", value, "c", "m")),
        ("copy", "to_container"): (BAD_CONTAINERS, lambda value: copy(store, "c", "n", value, "m")),
        ("copy", "to_name"): (BAD_NEW_NAMES, lambda value: copy(store, "c", "n", "c", value)),
        ("StreamUpload", "container"): (BAD_CONTAINERS, lambda value: StreamUpload(store, value, "n")),
        ("StreamUpload", "name"): (BAD_NEW_NAMES, lambda value: StreamUpload(store, "c", value)),
    }


def test_no_transfer_sends_a_request_with_an_invalid_name(
    store: SwiftStore, silent_server: socket.socket, tmp_path: Path
) -> None:
    for label, (values, call_transfer) in transfer_calls(store, tmp_path).items():
        for value in values:
            with pytest.raises(InvalidArgument):
                call_transfer(value)
            assert not was_requested(silent_server), (label, value)
    assert not (tmp_path / "to").exists()


# ---- the file system

BAD_PATH_CONTAINERS = [".", "..", "x" * 257, "a\nb", "\udcff", "a ", "./n", "../n", "a\nb/n"]
BAD_KEYS = ["c/..", "c/../other/n", "c/a/./b", "c/\udcff", "c/a\0"]
BAD_NEW_KEYS = [*BAD_KEYS, "c//x", "c/a//b", "c/" + "x" * 256]

READING: dict[str, Callable[[SwiftFileSystem, str, Path], Any]] = {
    "info": lambda fs, path, _: fs.info(path),
    "exists": lambda fs, path, _: fs.exists(path),
    "isdir": lambda fs, path, _: fs.isdir(path),
    "isfile": lambda fs, path, _: fs.isfile(path),
    "ls": lambda fs, path, _: fs.ls(path),
    "walk": lambda fs, path, _: list(fs.walk(path)),
    "find": lambda fs, path, _: fs.find(path),
    "du": lambda fs, path, _: fs.du(path),
    "modified": lambda fs, path, _: fs.modified(path),
    "created": lambda fs, path, _: fs.created(path),
    "ukey": lambda fs, path, _: fs.ukey(path),
    "checksum": lambda fs, path, _: fs.checksum(path),
    "open": lambda fs, path, _: fs.open(path),
    "cat_file": lambda fs, path, _: fs.cat_file(path),
    "cat_file, a range": lambda fs, path, _: fs.cat_file(path, 0, 1),
    "get_file": lambda fs, path, here: fs.get_file(path, here / "got"),
    "cp_file": lambda fs, path, _: fs.cp_file(path, "c/new"),
    "rm_file": lambda fs, path, _: fs.rm_file(path),
    "rm": lambda fs, path, _: fs.rm(path),
    "rm, recursively": lambda fs, path, _: fs.rm(path, recursive=True),
    "rmdir": lambda fs, path, _: fs.rmdir(path),
    "mkdir": lambda fs, path, _: fs.mkdir(path),
    "makedirs": lambda fs, path, _: fs.makedirs(path),
}

STORING_FILES: dict[str, Callable[[SwiftFileSystem, str, Path], Any]] = {
    "open": lambda fs, path, _: fs.open(path, "wb"),
    "open, exclusively": lambda fs, path, _: fs.open(path, "xb"),
    "pipe_file": lambda fs, path, _: fs.pipe_file(path, b"x"),
    "touch": lambda fs, path, _: fs.touch(path),
    "put_file": lambda fs, path, here: fs.put_file(here / "file", path),
    "put_file, new": lambda fs, path, here: fs.put_file(here / "file", path, mode="create"),
    "cp_file": lambda fs, path, _: fs.cp_file("c/old", path),
}


@pytest.mark.parametrize("function", READING)
def test_file_system_sends_no_request_with_an_invalid_name(
    store: SwiftStore, silent_server: socket.socket, tmp_path: Path, function: str
) -> None:
    fs = SwiftFileSystem(store)
    for path in (*BAD_PATH_CONTAINERS, *BAD_KEYS):
        with pytest.raises(OSError, match=r"container: |name: "):
            READING[function](fs, path, tmp_path)
        assert not was_requested(silent_server), path


@pytest.mark.parametrize("function", STORING_FILES)
def test_file_system_stores_nothing_with_an_invalid_name(
    store: SwiftStore, silent_server: socket.socket, tmp_path: Path, function: str
) -> None:
    (tmp_path / "file").write_text("x")
    fs = SwiftFileSystem(store)
    for path in (*BAD_PATH_CONTAINERS, *BAD_NEW_KEYS):
        if path in {".", "..", "x" * 257, "a\nb", "\udcff", "a "}:
            path = f"{path}/n"
        with pytest.raises(OSError, match=r"container: |name: |to_name: "):
            STORING_FILES[function](fs, path, tmp_path)
        assert not was_requested(silent_server), path
