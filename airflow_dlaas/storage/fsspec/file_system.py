"""The complete file system: it adds to listing and content how files and folders are copied, moved and deleted."""

from __future__ import annotations

import errno
from collections import defaultdict
from collections.abc import Iterator
from os import PathLike
from typing import Any

from fsspec.core import has_magic  # type: ignore[import-untyped]

from airflow_dlaas.exceptions import ContainerNotFound, ObjectNotFound
from airflow_dlaas.storage.fsspec.file_content import StoreContent
from airflow_dlaas.storage.fsspec.os_errors import (
    file_exists_error,
    is_directory_error,
    not_found_error,
    translate_to_os_errors,
)
from airflow_dlaas.storage.object_store import StoredObject
from airflow_dlaas.storage.store_helpers import require_container_exists
from airflow_dlaas.storage.transfer.copy import copy
from airflow_dlaas.storage.transfer.deletion import delete_stored_objects


class SwiftFileSystem(StoreContent):
    """An object store as files and folders. Thread-safe."""

    def cp_file(self, path1: str, path2: str, **_: Any) -> None:
        """Copy a file, inside the store where possible. For a folder, only make sure that the container exists."""
        source, target = self._strip_protocol(path1), self._strip_protocol(path2)
        if source == target:
            return
        container, key = self._split_path(source)
        to_container, to_key = self._split_path(target)
        try:
            with translate_to_os_errors(source):
                if not key:
                    raise ObjectNotFound("A container is a folder")
                if not to_key:
                    raise is_directory_error(target)
                copy(self.store, container, key, to_container, to_key)
        except FileNotFoundError:
            if not self.isdir(source):
                raise
            self.makedirs(target, exist_ok=True)

    def mv(self, path1: Any, path2: Any, recursive: bool = False, maxdepth: int | None = None, **options: Any) -> None:
        """Copy, then delete the source; does nothing if the source already has this path."""
        source, target = self._strip_protocol(path1), self._strip_protocol(path2)
        if target in (source, self._parent(source) if isinstance(source, str) else None):
            return
        if recursive and isinstance(source, str) and target.startswith(f"{source}/"):
            raise OSError(errno.EINVAL, "A folder cannot be moved into itself", source, None, target)
        super().mv(path1, path2, recursive, maxdepth, **options)

    def rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> None:
        """
        Delete files, and with *recursive* folders and containers; a large object with its segments.

        :raises FileNotFoundError: a path does not exist; nothing was deleted.
        :raises IsADirectoryError: a path is a folder, without *recursive*; nothing was deleted.
        """
        paths = self._strip_protocol([path] if isinstance(path, (str, PathLike)) else list(path))
        expanded = [name for one in paths for name in (self.glob(one) if has_magic(one) else [one])]
        if not expanded:
            raise not_found_error(str(path))
        self._delete_objects([found for one in expanded for found in self._objects_to_delete(one, recursive, maxdepth)])
        if recursive and maxdepth is None:
            for one in expanded:
                if "/" not in one:
                    self.rmdir(one)

    def rm_file(self, path: str) -> None:
        """Delete one file."""
        self._delete_objects(list(self._objects_to_delete(self._strip_protocol(path), False, None)))

    def _objects_to_delete(
        self, path: str, recursive: bool, maxdepth: int | None
    ) -> Iterator[tuple[str, StoredObject]]:
        container, key = self._split_path(path)
        found = False
        with translate_to_os_errors(path):
            if key:
                try:
                    yield container, self.store.stat(container, key)
                    found = True
                except ObjectNotFound:
                    require_container_exists(self.store, container)
            if recursive:
                folder = f"{key}/" if key else ""
                for one in self.store.list_objects(container, folder):
                    found = True
                    if maxdepth is None or one.name[len(folder) :].count("/") < maxdepth:
                        yield container, one
        if not found and (key or not recursive):
            raise is_directory_error(path) if self.isdir(path) else not_found_error(path)

    def _delete_objects(self, objects: list[tuple[str, StoredObject]]) -> None:
        by_container: dict[str, list[StoredObject]] = defaultdict(list)
        for container, one in objects:
            by_container[container].append(one)
        for container, found in by_container.items():
            with translate_to_os_errors(container):
                delete_stored_objects(self.store, container, found)

    # ---- folders

    def mkdir(self, path: str, create_parents: bool = True, **_: Any) -> None:
        """Create a container. Folders in it need not be created: for them, only make sure that the container exists."""
        path = self._strip_protocol(path)
        container, key = self._split_path(path)
        if self.exists(path):
            raise file_exists_error(path)
        with translate_to_os_errors(path):
            if key:
                try:
                    require_container_exists(self.store, container)
                    return
                except ContainerNotFound:
                    if not create_parents:
                        raise
            self.store.create_container(container)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Create the container of *path* if it is missing."""
        try:
            self.mkdir(path)
        except FileExistsError:
            if not exist_ok or self.isfile(path):
                raise

    def rmdir(self, path: str) -> None:
        """Delete an empty container, or the object that marks an empty folder."""
        path = self._strip_protocol(path)
        container, key = self._split_path(path)
        info = self.info(path)
        if info["type"] == "file":
            raise NotADirectoryError(errno.ENOTDIR, "This is a file", path)
        if self.ls(path):
            raise OSError(errno.ENOTEMPTY, "This folder is not empty", path)
        with translate_to_os_errors(path):
            if key:
                self.store.delete(container, [key, f"{key}/"])  # either may mark the folder
            else:
                self.store.delete_container(container)

    def sign(self, path: str, expiration: int = 100, **_: Any) -> str:
        """Not possible: a temporary URL is signed with a key of the account that the connection does not have."""
        raise NotImplementedError("Swift signs URLs with a secret of the account, which the connection does not have")
