"""Finding what is to be stored elsewhere: files, folders and globs of any file system of fsspec's."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from fsspec.exceptions import FSTimeoutError  # type: ignore[import-untyped]
from fsspec.spec import AbstractFileSystem  # type: ignore[import-untyped]

from airflow_dlaas.exceptions import Corrupted, NothingSelected, StoreError, StoreUnreachable
from airflow_dlaas.storage.body import CHUNK_SIZE, Body
from airflow_dlaas.storage.sources.etags import ETags, find_etags, has_stable_etags, to_epoch_seconds
from airflow_dlaas.storage.sources.local import Source, nothing_selected_error
from airflow_dlaas.storage.sources.patterns import GLOB_CHARACTERS, Patterns, is_selected, parse_patterns

READ_SIZE = 8 * 1024**2
"""Bytes asked for at a time, and held by each thread: a request to a store far away takes hundredths of a second."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file that some file system of fsspec's can read."""

    fs: AbstractFileSystem = field(repr=False, compare=False)
    path: str
    location: str
    size: int
    etags: ETags
    """What the other side says of its content."""
    has_stable_fingerprint: bool
    is_local: bool = False

    @property
    def fingerprint(self) -> str:
        """Size and tags; empty without any."""
        return ";".join([f"{self.size}", *(f"{name}={value}" for name, value in self.etags)]) if self.etags else ""

    def part(self, start: int, size: int) -> Body:
        """A stretch of it."""
        return RemotePart(self, start, size)

    def has_changed(self) -> bool:
        """Whether its size, or a tag it had when it was found, is another now."""
        fs = _thread_fs(self.fs)
        with _translate_errors(self.location):
            fs.invalidate_cache()
            size, tags = _fetch_size_and_etags(fs, self.path)
        now = dict(tags)
        return size != self.size or any(now.get(name, value) != value for name, value in self.etags)


@dataclass(frozen=True, slots=True)
class RemotePart:
    """A stretch of a remote file."""

    file: RemoteFile
    start: int
    size: int

    def chunks(self) -> Iterator[bytes | memoryview]:
        """Open the file afresh, and read on from where the stretch begins."""
        left, place = self.size, self.file.location
        with _translate_errors(place), _thread_fs(self.file.fs).open(self.file.path, "rb", cache_type="none") as file:
            for data in _read_range(file, self.start, self.size):
                left -= len(data)
                view = memoryview(data)
                for at in range(0, len(view), CHUNK_SIZE):
                    yield view[at : at + CHUNK_SIZE]
        if left:
            raise Corrupted(f"{place} has become shorter while it was being sent: let it be written first")

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
    Find what *path* means to *fs*: one file, a folder with everything in it, or what a glob matches.

    Names are given as by `sources.local`; that a ``*`` matches hidden files too is fsspec's custom. Objects that only
    mark a folder are left out.

    :param uri: what people call *path*, an address.
    :raises NothingSelected: the folder is empty, the glob matches nothing, or the patterns leave nothing.
    :raises StoreError: there is no such place, it cannot be read, or the other side does not report a file's size.
    """
    included, excluded = parse_patterns(include, "include"), parse_patterns(exclude, "exclude") or ()
    path, uri = fs._strip_protocol(path), uri.rstrip("/") or uri  # noqa: SLF001  (part of what fsspec specifies)
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
    steps = pattern.split("/")
    plain = next(at for at, step in enumerate(steps) if GLOB_CHARACTERS & set(step))
    found: dict[str, Any] = {}
    for full, info in fs.glob(pattern, detail=True).items():
        if info["type"] != "directory":
            found[full] = info
        elif "**" not in steps:  # which names everything below by itself
            found |= fs.find(full, detail=True)
    return "/".join(steps[:plain]), found


def _relative_name(base: str, path: str) -> str:
    return path.removeprefix(base).lstrip("/")


def _is_folder_marker(path: str, info: Mapping[str, Any]) -> bool:
    return info.get("type") == "directory" or (path.endswith("/") and not info.get("size"))


def _describe_file(fs: AbstractFileSystem, path: str, location: str, info: Mapping[str, Any]) -> RemoteFile:
    size, tags = info.get("size"), find_etags(info)
    if size is None or not tags:  # some tell less in a listing
        size, tags = _fetch_size_and_etags(fs, path)
    if size is None:
        raise StoreError(
            f"{location} does not say how large it is, so it cannot be sent piece by piece: fetch it to a file"
        )
    return RemoteFile(fs, path, location, int(size), tags, has_stable_etags(tags, time.time()))


def _fetch_size_and_etags(fs: AbstractFileSystem, path: str) -> tuple[int | None, ETags]:
    info = fs.info(path)
    tags = find_etags(info)
    if not tags:
        with suppress(NotImplementedError):
            tags = find_etags({"modified": to_epoch_seconds(fs.modified(path))})
    return info.get("size"), tags


def _thread_fs(fs: AbstractFileSystem) -> AbstractFileSystem:
    """Give the instance of *fs* that belongs to this thread: fsspec has one for each unless one can serve them all."""
    return fs if fs.async_impl else type(fs)(*fs.storage_args, **fs.storage_options)


def _read_range(file: Any, start: int, size: int) -> Iterator[bytes]:
    """Read *size* bytes from *start* on, or what there is of them."""
    end = start + size
    if isinstance(file, io.BytesIO):  # fsspec's file system in memory gives everybody the same one
        yield from (bytes(file.getbuffer()[at : min(at + READ_SIZE, end)]) for at in range(start, end, READ_SIZE))
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
        raise StoreError(f"{location} is not there") from error
    except (ConnectionError, TimeoutError, FSTimeoutError) as error:
        raise StoreUnreachable(f"{location} cannot be reached: {error}") from error
    except OSError as error:
        raise StoreError(f"{location} cannot be read: {error.strerror or error}") from error
    except ValueError as error:  # what cannot be read from the middle says so by this
        raise StoreError(f"{location} cannot be read as it has to be; fetch it to a file ({error})") from error
