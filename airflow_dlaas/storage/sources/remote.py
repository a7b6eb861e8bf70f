"""Remote sources: files, folders and globs of any file system of fsspec."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from fsspec.exceptions import FSTimeoutError  # type: ignore[import-untyped]
from fsspec.spec import AbstractFileSystem  # type: ignore[import-untyped]

from airflow_dlaas._util.redact_url import redact_urls
from airflow_dlaas.contract.patterns import GLOB_CHARACTERS, Patterns, is_selected, parse_patterns
from airflow_dlaas.exceptions import Corrupted, NothingSelected, StoreError, StoreUnreachable
from airflow_dlaas.storage.body import CHUNK_SIZE, Body
from airflow_dlaas.storage.sources.etags import ETags, find_etags, has_stable_etags, to_epoch_seconds
from airflow_dlaas.storage.sources.local import Source, nothing_selected_error

READ_SIZE = 8 * 1024**2
"""Bytes read at a time and held by each thread: a request to a store far away takes hundredths of a second."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file that a file system of fsspec can read."""

    fs: AbstractFileSystem = field(repr=False, compare=False)
    path: str
    location: str
    size: int
    etags: ETags
    """Properties that change with the content, as the file system reports them."""
    has_stable_fingerprint: bool
    is_local: bool = False

    @property
    def fingerprint(self) -> str:
        """Size and ETags; empty without ETags."""
        return ";".join([f"{self.size}", *(f"{name}={value}" for name, value in self.etags)]) if self.etags else ""

    def part(self, start: int, size: int) -> Body:
        """Return *size* bytes of the content from *start* on."""
        return RemotePart(self, start, size)

    def open(self) -> Any:
        """Open the file for reading, by the file system of this thread; raises the errors of fsspec."""
        return _thread_fs(self.fs).open(self.path, "rb", cache_type="none")

    def has_changed(self) -> bool:
        """Whether the size, or an ETag that the file had when it was found, differs now."""
        with _translate_errors(self.location):
            fs = _thread_fs(self.fs)
            fs.invalidate_cache()
            size, etags = _fetch_size_and_etags(fs, self.path)
        current = dict(etags)
        return size != self.size or any(current.get(key, value) != value for key, value in self.etags)


@dataclass(frozen=True, slots=True)
class RemotePart:
    """A range of a remote file."""

    file: RemoteFile
    start: int
    size: int

    def chunks(self) -> Iterator[bytes | memoryview]:
        """Open the file and read the range."""
        remaining, location = self.size, self.file.location
        with _translate_errors(location), self.file.open() as file:
            for data in _read_range(file, self.start, self.size):
                remaining -= len(data)
                view = memoryview(data)
                for offset in range(0, len(view), CHUNK_SIZE):
                    yield view[offset : offset + CHUNK_SIZE]
        if remaining:
            raise Corrupted(f"{location} became shorter while it was sent: upload it when it is complete")

    def __str__(self) -> str:
        return self.file.location


def remote_sources(
    fs: AbstractFileSystem,
    path: str,
    uri: str,
    include: Patterns = None,
    exclude: Patterns = (),
) -> list[Source]:
    """
    Find the files of *path* in *fs*: one file, a folder with everything in it, or everything that a glob matches.

    The files get the names that `local_sources` gives, but ``*`` matches hidden files too, as usual in fsspec. Objects
    that only mark a folder are left out.

    :param uri: the URI of *path*, for messages and as the location of the files.
    :raises NothingSelected: the folder is empty, the glob matches nothing, or the patterns select nothing.
    :raises StoreError: the path does not exist or cannot be read, or the file system does not report a file's size.
    """
    included, excluded = parse_patterns(include, "include"), parse_patterns(exclude, "exclude") or ()
    path, uri = fs._strip_protocol(path), uri.rstrip("/") or uri  # noqa: SLF001  (part of the interface of fsspec)
    with _translate_errors(uri):
        fs.invalidate_cache()
        try:
            kind = fs.info(path)["type"]
        except FileNotFoundError:
            kind = None
        if kind == "directory":
            base, found = path, fs.find(path, detail=True)
        elif kind is not None:
            name = path.rpartition("/")[2]
            if not is_selected(name, included, excluded):
                raise nothing_selected_error(uri, included, excluded)
            return [Source(name, _describe_file(fs, path, uri, {}))]
        elif GLOB_CHARACTERS & set(path):
            base, found = _glob_files(fs, path)
        else:
            raise StoreError(f"{uri}: there is no such file or folder")
        names = {_relative_name(base, full): full for full, info in found.items() if not _is_folder_marker(full, info)}
        if not names and kind is None:
            raise NothingSelected(f"{uri} matches no file. If that may be so, set allow_empty")
        address = uri.removesuffix(path) if uri.endswith(path) else f"{uri}:"
        selected = [
            Source(name, _describe_file(fs, full, address + full, found[full]))
            for name, full in sorted(names.items())
            if name and is_selected(name, included, excluded)
        ]
        if not selected:
            raise nothing_selected_error(uri, included, excluded)
        return selected


def _glob_files(fs: AbstractFileSystem, pattern: str) -> tuple[str, dict[str, Any]]:
    components = pattern.split("/")
    first_wildcard = next(index for index, one in enumerate(components) if GLOB_CHARACTERS & set(one))
    found: dict[str, Any] = {}
    for full, info in fs.glob(pattern, detail=True).items():
        if info["type"] != "directory":
            found[full] = info
        elif "**" not in components:  # "**" matches everything in the folder itself
            found |= fs.find(full, detail=True)
    return "/".join(components[:first_wildcard]), found


def _relative_name(base: str, path: str) -> str:
    return path.removeprefix(base).lstrip("/")


def _is_folder_marker(path: str, info: Mapping[str, Any]) -> bool:
    return info.get("type") == "directory" or (path.endswith("/") and not info.get("size"))


def _describe_file(fs: AbstractFileSystem, path: str, location: str, info: Mapping[str, Any]) -> RemoteFile:
    size, etags = info.get("size"), find_etags(info)
    if size is None or not etags:  # the listings of some file systems contain less
        size, etags = _fetch_size_and_etags(fs, path)
    if size is None:
        raise StoreError(
            f"The file system does not report the size of {location}, so it cannot be sent piece by piece: download it "
            "to a file and upload that"
        )
    return RemoteFile(fs, path, location, int(size), etags, has_stable_etags(etags, time.time()))


def _fetch_size_and_etags(fs: AbstractFileSystem, path: str) -> tuple[int | None, ETags]:
    info = fs.info(path)
    etags = find_etags(info)
    if not etags:
        with suppress(NotImplementedError):
            etags = find_etags({"modified": to_epoch_seconds(fs.modified(path))})
    return info.get("size"), etags


def _thread_fs(fs: AbstractFileSystem) -> AbstractFileSystem:
    """Return the instance of *fs* for this thread: fsspec has one per thread, unless the file system is async."""
    return fs if fs.async_impl else type(fs)(*fs.storage_args, **fs.storage_options)


def _read_range(file: Any, start: int, size: int) -> Iterator[bytes]:
    """Read *size* bytes from *start* on, fewer at the end of the file."""
    end = start + size
    if isinstance(file, io.BytesIO):  # the memory file system of fsspec returns one object to all callers
        for offset in range(start, end, READ_SIZE):
            yield bytes(file.getbuffer()[offset : min(offset + READ_SIZE, end)])
        return
    if start:
        file.seek(start)
    while start < end and (data := file.read(min(READ_SIZE, end - start))):
        yield data
        start += len(data)


@contextmanager
def _translate_errors(location: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise StoreError(f"{location} does not exist") from error
    except (ConnectionError, TimeoutError, FSTimeoutError) as error:
        raise StoreUnreachable(f"{location} cannot be reached: {redact_urls(str(error))}") from error
    except OSError as error:
        raise StoreError(f"{location} cannot be read: {redact_urls(error.strerror or str(error))}") from error
    except ValueError as error:  # for example of a file that cannot be read from its middle
        raise StoreError(
            f"{location} cannot be read in parts: download it to a file ({redact_urls(str(error))})"
        ) from error
