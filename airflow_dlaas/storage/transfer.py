"""
Carries plans out: several files at a time, a connection for each, every byte verified by the store's verbs.

What the plan calls unchanged is not moved. The first failure ends the whole; what has arrived until then stays and
is skipped by the next attempt.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from airflow_dlaas.errors import HostError, ObjectNotFound, StoreError
from airflow_dlaas.storage.objects import ObjectStore
from airflow_dlaas.storage.plan import Fetch, Send, Source, as_folder, fetching, sending
from airflow_dlaas.storage.reading import md5_of, size_of

THREADS = 8
"""Files moved at a time: enough to keep a Swift on the local network busy with small ones."""

T = TypeVar("T")


@dataclass(frozen=True)
class Progress:
    """How far a transfer is; what turned out to be unchanged counts as done."""

    bytes_done: int
    bytes_total: int
    files_done: int
    files_total: int


@dataclass(frozen=True)
class Report:
    """What a transfer moved, and how many files it found unchanged."""

    files: int
    bytes: int
    skipped: int


Watch = Callable[[Progress], None]
"""Told of every step, from any of the threads, one call at a time: keep it short. Its errors end the transfer."""


def upload(
    store: ObjectStore,
    sources: Path | Mapping[str, Path],
    container: str,
    *,
    prefix: str = "",
    threads: int = THREADS,
    progress: Watch | None = None,
) -> Report:
    """
    Store a folder with everything in it, one file, or files by the names given, under the folder *prefix*.

    One listing decides what is sent: objects of the same size and MD5 are not. Nothing is deleted.

    :raises StoreError: a file cannot be read or named, or is larger than 5 GiB; then nothing was sent.
    """
    files = [Source(path, as_folder(prefix) + name, size_of(path)) for name, path in _named(sources)]
    if not files:
        store.check(container)
        return Report(0, 0, 0)
    common = os.path.commonprefix([file.name for file in files])  # noqa: RUF071  (by letters, as listings go)
    sends = sending(files, store.list(container, common))
    tally = _Tally(sum(send.source.size for send in sends), len(sends), progress)

    def send(one: Send) -> int | None:
        md5 = md5_of(one.source.path)
        if md5 == one.unless:
            tally.advance(one.source.size)
            return None
        store.put(container, one.source.name, one.source.path, md5=md5, advance=tally.advance)
        return one.source.size

    return _carry_out(send, sends, tally, threads)


def download(
    store: ObjectStore,
    container: str,
    destination: Path,
    *,
    prefix: str = "",
    names: Iterable[str] | None = None,
    threads: int = THREADS,
    progress: Watch | None = None,
) -> Report:
    """
    Fetch what lies under the folder *prefix* into the folder *destination*, made if missing; all of it, or *names*.

    Files are named by the rest of the object's name; those that are there already with the same size and MD5 are
    left. Nothing under *prefix* is no error: the report says 0 files.

    :param names: objects to fetch, with their full names.
    :raises ObjectNotFound: one of *names* is not there; nothing was fetched.
    :raises StoreError: a name would lead out of *destination*; nothing was fetched.
    """
    wanted = None if names is None else list(names)
    fetches = fetching(store.list(container, as_folder(prefix)), prefix, wanted)
    if missing := sorted(set(wanted or ()) - {fetch.name for fetch in fetches}):
        raise ObjectNotFound(f"There is no object {missing[0]!r} under {prefix!r} in container {container!r}")
    tally = _Tally(sum(fetch.size for fetch in fetches), len(fetches), progress)
    root = _folder(destination).resolve()

    def fetch(one: Fetch) -> int | None:
        target = root / one.place
        if not target.parent.resolve().is_relative_to(root):
            raise StoreError(f"{target.parent} is a link that leaves {destination}: {one.name!r} is not fetched")
        _folder(target.parent)
        if one.md5 is not None and _is_already(target, one):
            tally.advance(one.size)
            return None
        return store.get(container, one.name, target, advance=tally.advance)

    return _carry_out(fetch, fetches, tally, threads)


class _Over(StoreError):
    """Another step has failed, or somebody pressed Ctrl-C: not worth telling."""


class _Tally:
    """Counts for all threads, and tells."""

    def __init__(self, bytes_total: int, files_total: int, watch: Watch | None) -> None:
        self.over = threading.Event()
        """Set when what is under way has to stop at the next piece."""
        self._progress = Progress(0, bytes_total, 0, files_total)
        self._watch = watch
        self._lock = threading.Lock()

    def advance(self, count: int, files: int = 0) -> None:
        if self.over.is_set():
            if count < 0:
                return
            raise _Over
        with self._lock:
            now = self._progress
            self._progress = Progress(now.bytes_done + count, now.bytes_total, now.files_done + files, now.files_total)
            if self._watch is not None:
                self._watch(self._progress)


def _carry_out(step: Callable[[T], int | None], steps: Sequence[T], tally: _Tally, threads: int) -> Report:
    """Take *steps*, several at a time; each answers with the bytes it moved, or None where there was no need."""
    moved: list[int | None] = []

    def take(one: T) -> None:
        if tally.over.is_set():
            raise _Over
        try:
            moved.append(step(one))
            tally.advance(0, files=1)
        except BaseException:
            tally.over.set()
            raise

    with ThreadPoolExecutor(max(1, min(threads, len(steps))), thread_name_prefix="transfer") as pool:
        futures = [pool.submit(take, one) for one in steps]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        except BaseException:  # Ctrl-C
            tally.over.set()
            raise
        finally:
            pool.shutdown(cancel_futures=tally.over.is_set())
    for future in futures:
        failure = None if future.cancelled() else future.exception()
        if failure is not None and not isinstance(failure, _Over):
            raise failure
    sizes = [size for size in moved if size is not None]
    return Report(len(sizes), sum(sizes), len(moved) - len(sizes))


def _named(sources: Path | Mapping[str, Path]) -> Iterator[tuple[str, Path]]:
    if isinstance(sources, Mapping):
        yield from sources.items()
    elif sources.is_dir():
        yield from _below(sources, "")
    else:
        yield sources.name, sources


def _below(folder: Path, above: str) -> Iterator[tuple[str, Path]]:
    try:
        children = sorted(folder.iterdir())
    except OSError as error:
        raise StoreError(f"{folder} cannot be read: {error.strerror or error}") from error
    for child in children:
        if not child.is_dir():
            yield above + child.name, child
        elif child.is_symlink():
            raise StoreError(f"{child} is a link to a folder and might lead anywhere: upload that folder itself")
        else:
            yield from _below(child, f"{above}{child.name}/")


def _folder(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HostError(f"The folder {path} cannot be made: {error.strerror or error}") from error
    return path


def _is_already(target: Path, wanted: Fetch) -> bool:
    return target.is_file() and target.stat().st_size == wanted.size and md5_of(target) == wanted.md5
