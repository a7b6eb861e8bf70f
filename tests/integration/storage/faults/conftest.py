"""Fixtures of the suite of faults: a store behind a proxy, and folders that are transferred through it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from airflow_dlaas.storage.open_object_store import OpenedStore, open_object_store
from airflow_dlaas.storage.transfer.api import UploadOptions, upload
from tests.fault_proxy import FaultProxy
from tests.object_stores.cases import StoreCase
from tests.object_stores.faulted import DIALECTS, OUTSIDE, Downloads, FaultedStore, Uploads
from tests.stored import Tree, random_bytes, write_tree


@pytest.fixture(scope="module")
def store_name(request: pytest.FixtureRequest) -> str:
    """The store that is faulted; a test gives it as an indirect parameter."""
    return str(request.param)


@pytest.fixture(scope="module")
def case(request: pytest.FixtureRequest, store_name: str) -> StoreCase:
    found: StoreCase = request.getfixturevalue(f"{store_name}_case")
    return found


@pytest.fixture(scope="module")
def direct(case: StoreCase) -> Iterator[OpenedStore]:
    """A store without the proxy."""
    with open_object_store(case.connection) as opened:
        yield opened


@pytest.fixture
def proxy(case: StoreCase) -> Iterator[FaultProxy]:
    with FaultProxy(case.connection.url) as one:
        yield one


@pytest.fixture
def faulted(case: StoreCase, store_name: str, proxy: FaultProxy) -> FaultedStore:
    return FaultedStore(case, DIALECTS[store_name], proxy)


@pytest.fixture
def store(faulted: FaultedStore) -> Iterator[OpenedStore]:
    """A store whose requests pass through the proxy."""
    with faulted.open() as opened:
        yield opened


@pytest.fixture
def container(direct: OpenedStore) -> str:
    name = f"c-{uuid.uuid4().hex}"
    direct.create_container(name)
    return name


@pytest.fixture
def uploads(direct: OpenedStore, store_name: str, container: str, tmp_path_factory: pytest.TempPathFactory) -> Uploads:
    """Version 0 is stored, with two more files."""
    one = Uploads(direct, DIALECTS[store_name], container, tmp_path_factory.mktemp("here"))
    for name, content in OUTSIDE.items():
        direct.put(container, name, content)
    write_tree(one.here, {"gone1": b"1", "gone2": b"2"})
    one.write(0)
    one.send(direct)
    return one


@pytest.fixture(scope="module")
def versions(direct: OpenedStore, store_name: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Tree, Tree]:
    """A container that is only read, older versions of its files, and its files."""
    container, dialect = f"c-{uuid.uuid4().hex}", DIALECTS[store_name]
    direct.create_container(container)
    sizes = dialect.sizes | {"wide": dialect.sizes["large"]}
    old, new = ({name: random_bytes(size, f"{age} {name}") for name, size in sizes.items()} for age in ("old", "new"))
    files = {name: content for name, content in new.items() if name != "wide"}
    options = UploadOptions(prefix="data", segment_size=dialect.part_size)
    upload(direct, write_tree(tmp_path_factory.mktemp("new"), files), container, options)
    direct.put(container, "data/wide", new["wide"])
    return container, old, new


@pytest.fixture
def downloads(versions: tuple[str, Tree, Tree], store_name: str, tmp_path_factory: pytest.TempPathFactory) -> Downloads:
    container, old, new = versions
    there = write_tree(tmp_path_factory.mktemp("there"), old)
    return Downloads(DIALECTS[store_name], container, old, new, there)
