"""The tests of fsspec for all its file systems, run with ours on a real OpenStack Swift."""

from __future__ import annotations

import posixpath
import uuid
from collections.abc import Callable, Iterator

import pytest
from fsspec.tests.abstract import (
    AbstractCopyTests,
    AbstractFixtures,
    AbstractGetTests,
    AbstractOpenTests,
    AbstractPipeTests,
    AbstractPutTests,
)

from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.storage.fsspec import SwiftFileSystem
from airflow_dlaas.storage.swift.store import SwiftStore

pytestmark = pytest.mark.slow


class OnSwift(AbstractFixtures):
    @pytest.fixture
    def fs(self, swift: SwiftStoreConnection) -> Iterator[SwiftFileSystem]:
        with SwiftStore.open(swift) as store:
            store.limits()
            yield SwiftFileSystem(store)

    @pytest.fixture
    def fs_path(self, fs: SwiftFileSystem) -> Iterator[str]:
        container = f"suite-{uuid.uuid4().hex}"
        fs.mkdir(container)
        yield f"{container}/folder"
        fs.rm(container, recursive=True)

    @pytest.fixture
    def fs_join(self) -> Callable[..., str]:
        return posixpath.join

    @pytest.fixture
    def supports_empty_directories(self) -> bool:
        return False


class TestCopy(AbstractCopyTests, OnSwift):
    pass


class TestGet(AbstractGetTests, OnSwift):
    pass


class TestPut(AbstractPutTests, OnSwift):
    pass


class TestPipe(AbstractPipeTests, OnSwift):
    pass


class TestOpen(AbstractOpenTests, OnSwift):
    pass
