"""
No verb sends anything about a name that is none.

The store of these tests counts connections. The verbs are found by what the classes have, so that a new one without a
check fails here.
"""

from __future__ import annotations

import inspect
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr

from airflow_dlaas._util.retry import NO_RETRY
from airflow_dlaas.contract.stores import StoreConnection
from airflow_dlaas.exceptions import InvalidArgument, InvalidName, StoreError
from airflow_dlaas.storage.body import BytesBody
from airflow_dlaas.storage.fsspec import SwiftFileSystem
from airflow_dlaas.storage.object_store import ObjectLayout, ObjectStore, Part
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
    # "." and ".." may stand in what is deleted: such names come from a listing, and go into a body, not an address.
    "names": [one for one in BAD_NAMES if not isinstance(one, str) or "." not in one],
}
"""For each parameter of a verb that is a name: what it cannot be."""

STORING = {"put", "put_segment", "complete_multipart"}

NO_NAMES = {"limits", "list_containers"}


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A server that never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        server.setblocking(False)
        yield server


@pytest.fixture
def store(silent: socket.socket) -> Iterator[SwiftStore]:
    connection = StoreConnection(
        auth_url=f"http://127.0.0.1:{silent.getsockname()[1]}/auth/v1.0", user_id="a:u", password=SecretStr("made-up")
    )
    with SwiftStore.open(connection, connect_timeout=1, read_timeout=0.1, retry_policy=NO_RETRY) as opened:
        yield opened


def asked(server: socket.socket) -> bool:
    """Whether anybody has connected."""
    try:
        server.accept()[0].close()
    except BlockingIOError:
        return False
    return True


def verbs() -> Iterator[tuple[str, str]]:
    """Name each verb of an object store, and each of its parameters that is a name."""
    for verb, function in inspect.getmembers(ObjectStore, inspect.isfunction):
        if verb.startswith("_"):
            continue
        names = [one for one in inspect.signature(function).parameters if one in {*BAD, "name"}]
        assert names or verb in NO_NAMES, verb
        yield from ((verb, one) for one in names)


def bad(verb: str, parameter: str) -> list[Any]:
    """What *parameter* of *verb* cannot be."""
    if parameter != "name":
        return BAD[parameter]
    if "container" not in inspect.signature(getattr(ObjectStore, verb)).parameters:
        return BAD_CONTAINERS  # its only name
    return BAD_NEW_NAMES if verb in STORING else BAD_NAMES


GOOD: dict[str, Any] = {
    "container": "c",
    "name": "n",
    "to_container": "c",
    "to_name": "m",
    "prefix": "",
    "folder": "",
    "names": ["n"],
    "source": b"x",
    "body": BytesBody(b"x"),
    "parts": [],
    "destination": Path("/nonexistent/file"),
    "layout": ObjectLayout(1, "e", None),
    "part": Part(0, 1),
    "write_at": lambda *_: None,
    "start": 0,
    "end": 1,
}


def call(function: Callable[..., Any], parameter: str, value: Any) -> None:
    """Call *function* with *value* for *parameter*, and use up what it gives."""
    needed = [
        name
        for name, one in inspect.signature(function).parameters.items()
        if one.default is one.empty or name == parameter
    ]
    found = function(**{name: value if name == parameter else GOOD[name] for name in needed})
    if inspect.isgenerator(found):
        list(found)


@pytest.mark.parametrize(("verb", "parameter"), list(verbs()))
def test_no_verb_sends_anything_about_a_name_that_is_none(
    store: SwiftStore, silent: socket.socket, verb: str, parameter: str
) -> None:
    function = getattr(store, verb)
    for value in bad(verb, parameter):
        given = [value] if parameter == "names" else value
        with pytest.raises(InvalidName):
            call(function, parameter, given)
        assert not asked(silent), (verb, parameter, value)
    with pytest.raises(StoreError) as caught:
        call(function, parameter, GOOD[parameter])
    assert not isinstance(caught.value, InvalidName)
    assert asked(silent)  # so that this test can fail


def test_a_part_of_a_large_object_lies_in_a_container(store: SwiftStore, silent: socket.socket) -> None:
    with pytest.raises(InvalidName):
        store.complete_multipart("c", "n", [Part(0, 1, "m", ("", "x"))])
    assert not asked(silent)


def test_objects_of_odd_names_are_listed_and_deleted_and_nothing_else_is(
    swift: StoreConnection, tmp_path: Path
) -> None:
    """
    Other programs may have stored them. A library that shortens ``/c/../d/x`` would be asked about another container.
    """
    box, other = f"odd-{uuid4().hex[:8]}", f"other-{uuid4().hex[:8]}"
    odd = sorted(["/x", "a//b", "a/", f"../{other}/x", f"../{other}", "a/./b", "..", " "])
    with SwiftStore.open(swift) as store:
        for name in (box, other):
            store.create_container(name)
        store.put(other, "x", b"1")
        for name in odd:
            store._session.run(ObjectUpload(store._session, box, name, b"1").send, what="Uploading")
        segment = Part(0, 1, store.put_segment(other, "x", BytesBody(b"1")), (other, "x"))
        manifest = ManifestUpload(store._session, box, f"../{other}/large", [segment])
        store._session.run(manifest.send, what="Uploading")
        assert sorted(one.name for one in store.list_objects(box)) == sorted([*odd, f"../{other}/large"])
        with pytest.raises(StoreError, match=r"'\.\.' \(it has the step '\.\.'\)"):
            api.download(store, box, tmp_path / "to")
        with pytest.raises(InvalidName):
            store.stat(box, f"../{other}/x")
        assert api.delete_objects(store, box, names="/x") == ["/x"]
        assert sorted(api.delete_objects(store, box, prefix="a")) == ["a/", "a/./b", "a//b"]
        store.delete(box, "..")
        gone = [" ", f"../{other}", f"../{other}/large", f"../{other}/x"]
        assert sorted(api.delete_objects(store, box)) == sorted(gone)
        assert list(store.list_objects(box)) == []
        assert [one.name for one in store.list_objects(other)] == ["x"]


# ---- whole transfers


def calls(store: SwiftStore, folder: Path) -> dict[tuple[str, str], tuple[list[Any], Callable[[Any], Any]]]:
    """For each function and parameter: what the latter cannot be, and the call."""
    (folder / "file").write_text("x")
    return {
        ("upload", "container"): (
            BAD_CONTAINERS,
            lambda bad: api.upload(store, folder, bad, api.UploadOptions(create_container=True)),
        ),
        ("upload", "prefix"): (
            BAD_PREFIXES,
            lambda bad: api.upload(store, folder, "c", api.UploadOptions(prefix=bad, create_container=True)),
        ),
        ("upload", "sources"): (
            [one for one in BAD_NEW_NAMES if isinstance(one, str)] + ["a/"],
            lambda bad: api.upload(store, {bad: folder / "file"}, "c", api.UploadOptions(create_container=True)),
        ),
        ("plan_upload", "container"): (BAD_CONTAINERS, lambda bad: api.plan_upload(store, folder, bad)),
        ("plan_upload", "prefix"): (
            BAD_PREFIXES,
            lambda bad: api.plan_upload(store, folder, "c", api.UploadOptions(prefix=bad)),
        ),
        ("download", "container"): (BAD_CONTAINERS, lambda bad: api.download(store, bad, folder / "to")),
        ("download", "prefix"): (
            BAD_PREFIXES,
            lambda bad: api.download(store, "c", folder / "to", api.DownloadOptions(prefix=bad)),
        ),
        ("download", "names"): (
            BAD_NAMES,
            lambda bad: api.download(store, "c", folder / "to", api.DownloadOptions(names=[bad])),
        ),
        ("remove", "container"): (BAD_CONTAINERS, lambda bad: api.delete_objects(store, bad)),
        ("remove", "prefix"): (BAD_PREFIXES, lambda bad: api.delete_objects(store, "c", prefix=bad)),
        ("remove", "names"): (BAD_NAMES, lambda bad: api.delete_objects(store, "c", names=[bad])),
        ("copy", "container"): (BAD_CONTAINERS, lambda bad: copy(store, bad, "n", "c", "m")),
        ("copy", "name"): (BAD_NAMES, lambda bad: copy(store, "c", bad, "c", "m")),
        ("copy", "to"): (BAD_CONTAINERS, lambda bad: copy(store, "c", "n", bad, "m")),
        ("copy", "to_name"): (BAD_NEW_NAMES, lambda bad: copy(store, "c", "n", "c", bad)),
        ("Stream", "container"): (BAD_CONTAINERS, lambda bad: StreamUpload(store, bad, "n")),
        ("Stream", "name"): (BAD_NEW_NAMES, lambda bad: StreamUpload(store, "c", bad)),
    }


def test_no_transfer_sends_anything_about_a_name_that_is_none(
    store: SwiftStore, silent: socket.socket, tmp_path: Path
) -> None:
    for which, (values, transferring) in calls(store, tmp_path).items():
        for value in values:
            with pytest.raises(InvalidArgument):
                transferring(value)
            assert not asked(silent), (which, value)
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
    "cat_file, a stretch": lambda fs, path, _: fs.cat_file(path, 0, 1),
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


@pytest.mark.parametrize("verb", READING)
def test_no_verb_of_the_file_system_asks_about_a_name_that_is_none(
    store: SwiftStore, silent: socket.socket, tmp_path: Path, verb: str
) -> None:
    fs = SwiftFileSystem(store)
    for path in (*BAD_PATH_CONTAINERS, *BAD_KEYS):
        with pytest.raises(OSError, match=r"container: |name: "):
            READING[verb](fs, path, tmp_path)
        assert not asked(silent), path


@pytest.mark.parametrize("verb", STORING_FILES)
def test_no_verb_of_the_file_system_stores_under_a_name_that_is_none(
    store: SwiftStore, silent: socket.socket, tmp_path: Path, verb: str
) -> None:
    (tmp_path / "file").write_text("x")
    fs = SwiftFileSystem(store)
    for path in (*BAD_PATH_CONTAINERS, *BAD_NEW_KEYS):
        if path in {".", "..", "x" * 257, "a\nb", "\udcff", "a "}:
            path = f"{path}/n"
        with pytest.raises(OSError, match=r"container: |name: |to_name: "):
            STORING_FILES[verb](fs, path, tmp_path)
        assert not asked(silent), path
