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
from airflow_dlaas.storage.body import PIECE, Content
from airflow_dlaas.storage.sources.etags import Tags, seconds, settled, tags_of
from airflow_dlaas.storage.sources.local import Source, nothing_selected
from airflow_dlaas.storage.sources.patterns import MAGIC, Patterns, as_patterns, wanted

READ = 8 * 1024**2
"""Bytes asked for at a time, and held by each thread: a request to a store far away takes hundredths of a second."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file that some file system of fsspec's can read."""

    fs: AbstractFileSystem = field(repr=False, compare=False)
    path: str
    place: str
    size: int
    tags: Tags
    """What the other side says of its content."""
    settled: bool
    near: bool = False

    @property
    def identity(self) -> str:
        """Size and tags; empty without any."""
        return ";".join([f"{self.size}", *(f"{name}={value}" for name, value in self.tags)]) if self.tags else ""

    def part(self, start: int, size: int) -> Content:
        """A stretch of it."""
        return RemotePart(self, start, size)

    def changed(self) -> bool:
        """Whether its size, or a tag it had when it was found, is another now."""
        fs = _own(self.fs)
        with _complaints(self.place):
            fs.invalidate_cache()
            size, tags = _ask(fs, self.path)
        now = dict(tags)
        return size != self.size or any(now.get(name, value) != value for name, value in self.tags)


@dataclass(frozen=True, slots=True)
class RemotePart:
    """A stretch of a remote file."""

    file: RemoteFile
    start: int
    size: int

    def pieces(self) -> Iterator[bytes | memoryview]:
        """Open the file afresh, and read on from where the stretch begins."""
        left, place = self.size, self.file.place
        with _complaints(place), _own(self.file.fs).open(self.file.path, "rb", cache_type="none") as file:
            for data in _stretches(file, self.start, self.size):
                left -= len(data)
                view = memoryview(data)
                for at in range(0, len(view), PIECE):
                    yield view[at : at + PIECE]
        if left:
            raise Corrupted(f"{place} has become shorter while it was being sent: let it be written first")

    def __str__(self) -> str:
        return self.file.place


def remote(
    fs: AbstractFileSystem,
    path: str,
    label: str,
    include: Patterns = None,
    exclude: Patterns = (),
) -> list[Source]:
    """
    Find what *path* means to *fs*: one file, a folder with everything in it, or what a glob matches.

    Names are given as by `sources.local`; that a ``*`` matches hidden files too is fsspec's custom. Objects that only
    mark a folder are left out.

    :param label: what people call *path*, an address.
    :raises NothingSelected: the folder is empty, the glob matches nothing, or the patterns leave nothing.
    :raises StoreError: there is no such place, it cannot be read, or the other side does not report a file's size.
    """
    included, excluded = as_patterns(include, "include"), as_patterns(exclude, "exclude") or ()
    path, label = fs._strip_protocol(path), label.rstrip("/") or label  # noqa: SLF001  (part of what fsspec specifies)
    with _complaints(label):
        fs.invalidate_cache()
        try:
            kind = fs.info(path)["type"]
        except FileNotFoundError:
            kind = None
        if kind == "directory":
            base, found = path, fs.find(path, detail=True)
        elif kind is not None:
            name = path.rpartition("/")[2]
            if not wanted(name, included, excluded):
                raise nothing_selected(label, included, excluded)
            return [Source(name, _file(fs, path, label, {}))]
        elif MAGIC & set(path):
            base, found = _matched(fs, path)
        else:
            raise StoreError(f"{label}: there is no such file or folder")
        names = {_below(base, full): full for full, info in found.items() if not _marks_folder(full, info)}
        if not names and kind is None:
            raise NothingSelected(f"{label} matches no file. If that may be so, set allow_empty")
        address = label.removesuffix(path) if label.endswith(path) else f"{label}:"
        selected = [
            Source(name, _file(fs, full, address + full, found[full]))
            for name, full in sorted(names.items())
            if name and wanted(name, included, excluded)
        ]
        if not selected:
            raise nothing_selected(label, included, excluded)
        return selected


def _matched(fs: AbstractFileSystem, pattern: str) -> tuple[str, dict[str, Any]]:
    steps = pattern.split("/")
    plain = next(at for at, step in enumerate(steps) if MAGIC & set(step))
    found: dict[str, Any] = {}
    for full, info in fs.glob(pattern, detail=True).items():
        if info["type"] != "directory":
            found[full] = info
        elif "**" not in steps:  # which names everything below by itself
            found |= fs.find(full, detail=True)
    return "/".join(steps[:plain]), found


def _below(base: str, full: str) -> str:
    return full.removeprefix(base).lstrip("/")


def _marks_folder(full: str, info: Mapping[str, Any]) -> bool:
    return info.get("type") == "directory" or (full.endswith("/") and not info.get("size"))


def _file(fs: AbstractFileSystem, path: str, place: str, info: Mapping[str, Any]) -> RemoteFile:
    size, tags = info.get("size"), tags_of(info)
    if size is None or not tags:  # some tell less in a listing
        size, tags = _ask(fs, path)
    if size is None:
        raise StoreError(
            f"{place} does not say how large it is, so it cannot be sent piece by piece: fetch it to a file"
        )
    return RemoteFile(fs, path, place, int(size), tags, settled(tags, time.time()))


def _ask(fs: AbstractFileSystem, path: str) -> tuple[int | None, Tags]:
    info = fs.info(path)
    tags = tags_of(info)
    if not tags:
        with suppress(NotImplementedError):
            tags = tags_of({"modified": seconds(fs.modified(path))})
    return info.get("size"), tags


def _own(fs: AbstractFileSystem) -> AbstractFileSystem:
    """Give the instance of *fs* that belongs to this thread: fsspec has one for each unless one can serve them all."""
    return fs if fs.async_impl else type(fs)(*fs.storage_args, **fs.storage_options)


def _stretches(file: Any, start: int, size: int) -> Iterator[bytes]:
    """Read *size* bytes from *start* on, or what there is of them."""
    end = start + size
    if isinstance(file, io.BytesIO):  # fsspec's file system in memory gives everybody the same one
        yield from (bytes(file.getbuffer()[at : min(at + READ, end)]) for at in range(start, end, READ))
        return
    if start:
        file.seek(start)
    while start < end and (data := file.read(min(READ, end - start))):
        yield data
        start += len(data)


@contextmanager
def _complaints(place: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise StoreError(f"{place} is not there") from error
    except (ConnectionError, TimeoutError, FSTimeoutError) as error:
        raise StoreUnreachable(f"{place} cannot be reached: {error}") from error
    except OSError as error:
        raise StoreError(f"{place} cannot be read: {error.strerror or error}") from error
    except ValueError as error:  # what cannot be read from the middle says so by this
        raise StoreError(f"{place} cannot be read as it has to be; fetch it to a file ({error})") from error
