"""The listing of an object store as files and folders, and their properties."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, ClassVar

from fsspec.spec import AbstractFileSystem  # type: ignore[import-untyped]
from fsspec.utils import stringify_path  # type: ignore[import-untyped]

from airflow_dlaas.contract.store_names import require_container_name, require_object_name
from airflow_dlaas.exceptions import ContainerNotFound, ObjectNotFound
from airflow_dlaas.storage.fsspec.os_errors import is_directory_error, not_found_error, translate_to_os_errors
from airflow_dlaas.storage.object_store import ObjectStore, StoredObject
from airflow_dlaas.storage.store_helpers import require_container_exists

FileInfo = dict[str, Any]
"""
The properties of a path for fsspec: ``name``, ``size`` in bytes and ``type`` ("file" or "directory").

A file also has ``md5`` (None if it consists of segments), ``etag``, which identifies its content, and ``modified``, the
time at which it was stored.
"""


class StoreListing(AbstractFileSystem):  # type: ignore[misc]
    """The content of *store* as files and folders. A folder exists while there is an object in it."""

    protocol: ClassVar[str] = "swift"
    cachable = False  # fsspec would cache the instance by its arguments, of which one is a store

    def __init__(self, store: ObjectStore | None) -> None:
        super().__init__(use_listings_cache=False)
        self._store = store

    @property
    def store(self) -> ObjectStore:
        """The object store. A subclass that opens it later than in `__init__` overrides this."""
        assert self._store is not None  # noqa: S101  (a subclass overrides the property otherwise)
        return self._store

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(one) for one in path]
        path = stringify_path(path)
        if path.startswith(f"{cls.protocol}://"):
            container, slash, key = path.partition("://")[2].partition("/")
            path = container.rpartition("@")[2] + slash + key  # the text before "@" is the connection
        return path.strip("/")  # some programs write a slash before the container, where an account would be

    def _split_path(self, path: str) -> tuple[str, str]:
        path = self._strip_protocol(path)
        container, _, key = path.partition("/")
        with translate_to_os_errors(path):
            if container:
                require_container_name(container)
            if key:
                require_object_name(key)
        return container, key

    def info(self, path: str, **_: Any) -> FileInfo:
        """Return the properties of *path*; of the file if there are a file and a folder of that name."""
        path = self._strip_protocol(path)
        container, key = self._split_path(path)
        with translate_to_os_errors(path):
            if not key:
                if container:
                    require_container_exists(self.store, container)
                return _folder_info(path)
            try:
                return _object_info(container, self.store.stat(container, key))
            except ObjectNotFound as error:
                if next(iter(self.store.list_dir(container, f"{key}/", limit=1)), None) is None:
                    raise not_found_error(path) from error
                return _folder_info(path)

    def exists(self, path: str, **_: Any) -> bool:
        """Whether *path* is a file or a folder."""
        return self._type(path) is not None

    def isdir(self, path: str) -> bool:
        """Whether *path* is a folder."""
        return self._type(path) == "directory"

    def isfile(self, path: str) -> bool:
        """Whether *path* is a file."""
        return self._type(path) == "file"

    def _type(self, path: str) -> str | None:
        try:
            return str(self.info(path)["type"])
        except FileNotFoundError:
            return None

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[FileInfo] | list[str]:
        """List a folder; for a file, the file itself; for an empty path, the containers."""
        path = self._strip_protocol(path)
        container, key = self._split_path(path)
        with translate_to_os_errors(path):
            self.store.limits()  # with the limits known, a listing detects its last page
            if not container:
                found = [_folder_info(name) for name in self.store.list_containers()]
            else:
                found = _list_level(container, self.store.list_dir(container, f"{key}/" if key else ""), key)
        if not found and key and (itself := self.info(path))["type"] == "file":
            found = [itself]
        return found if detail else [one["name"] for one in found]

    def walk(
        self, path: str, maxdepth: int | None = None, topdown: bool = True, on_error: Any = "omit", **options: Any
    ) -> Iterator[Any]:
        """Walk as fsspec does, but "omit" ignores only paths that do not exist; other errors are raised."""

        def omit(error: OSError) -> None:
            if not isinstance(error, FileNotFoundError):
                raise error

        on_error = omit if on_error == "omit" else on_error
        yield from super().walk(path, maxdepth, topdown, on_error, **options)

    def find(
        self, path: str, maxdepth: int | None = None, withdirs: bool = False, detail: bool = False, **options: Any
    ) -> list[str] | dict[str, FileInfo]:
        """Find all files below *path*, by one listing if no depth is given; for a file, the file itself."""
        path = self._strip_protocol(path)
        if not path or maxdepth is not None:
            found: list[str] | dict[str, FileInfo] = super().find(path, maxdepth, withdirs, detail, **options)
            return found
        by_name = {one["name"]: one for one in self._find_below(path) if withdirs or one["type"] == "file"}
        if not by_name and (kind := self._type(path)) and (withdirs or kind == "file"):
            by_name = {path: self.info(path)}
        return dict(sorted(by_name.items())) if detail else sorted(by_name)

    def _find_below(self, path: str) -> Iterator[FileInfo]:
        container, key = self._split_path(path)
        folders: set[str] = set()
        with translate_to_os_errors(path):
            self.store.limits()
            try:
                listing = list(self.store.list_objects(container, f"{key}/" if key else ""))
            except ContainerNotFound:
                return
        if listing:
            folders.add(path)
        for one in listing:
            name = f"{container}/{one.name}"
            above = name.rstrip("/") if one.is_folder_marker else name.rpartition("/")[0]
            while len(above) > len(path):
                folders.add(above)
                above = above.rpartition("/")[0]
            if not one.is_folder_marker:
                yield _object_info(container, one)
        yield from map(_folder_info, folders)

    def du(
        self, path: str, total: bool = True, maxdepth: int | None = None, withdirs: bool = False, **options: Any
    ) -> int | dict[str, int]:
        """Return the bytes below *path*, from the listing."""
        found = self.find(path, maxdepth, withdirs, detail=True, **options)
        assert isinstance(found, dict)  # noqa: S101  (detail=True returns a dict)
        sizes = {name: int(info["size"]) for name, info in found.items()}
        return sum(sizes.values()) if total else sizes

    def modified(self, path: str) -> datetime:
        """Return the time at which the content was stored."""
        info = self.info(path)
        if info["type"] != "file":
            raise is_directory_error(path)
        stored: datetime = info["modified"]
        return stored

    def created(self, path: str) -> datetime:
        """Return the time at which the content was stored: an object is never changed, only replaced."""
        return self.modified(path)

    def ukey(self, path: str) -> str:
        """Return a key that identifies the content: equal content has the same key, at any path."""
        return str(self.info(path).get("etag") or super().ukey(path))

    def checksum(self, path: str) -> int:
        """Return `ukey` as a number."""
        return int(self.ukey(path), 16)


def _folder_info(path: str) -> FileInfo:
    return {"name": path, "size": 0, "type": "directory"}


def _object_info(container: str, stored: StoredObject) -> FileInfo:
    name = f"{container}/{stored.name}"
    if stored.is_folder_marker:
        return _folder_info(name.rstrip("/"))
    return {
        "name": name,
        "size": stored.size,
        "type": "file",
        "md5": stored.md5,
        "etag": stored.md5 or stored.slo_etag or stored.multipart_etag or stored.etag,
        "modified": stored.modified,
        "LastModified": stored.modified,  # Airflow reads it under this key
    }


def _list_level(container: str, entries: Iterable[StoredObject | str], folder: str) -> list[FileInfo]:
    found: dict[tuple[str, str], FileInfo] = {}
    for entry in entries:
        one = _folder_info(f"{container}/{entry[:-1]}") if isinstance(entry, str) else _object_info(container, entry)
        # As a path, a name with an empty component is that of the folder above; only `find` lists such an object.
        if not one["name"].endswith("/") and one["name"] != f"{container}/{folder}":
            found.setdefault((one["name"], one["type"]), one)
    return list(found.values())
