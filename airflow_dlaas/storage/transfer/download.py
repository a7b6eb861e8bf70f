"""Carrying out a plan to fetch: what is there unchanged stays, the rest comes, several at a time."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from airflow_dlaas.exceptions import Corrupted, HostError, StoreError
from airflow_dlaas.storage.object_store import ObjectStore, Part, Shape
from airflow_dlaas.storage.segments import CUT, cut_for, cut_up, is_large
from airflow_dlaas.storage.sources.local import LocalFile, Source
from airflow_dlaas.storage.transfer.change_detection import unchanged
from airflow_dlaas.storage.transfer.checksum_cache import Known
from airflow_dlaas.storage.transfer.part_file import PartFile, leftovers
from airflow_dlaas.storage.transfer.plan import Fetch, Send
from airflow_dlaas.storage.transfer.worker_pool import Crew, Job, Tally


class Downloading:
    """One transfer from a container into the folder *root*."""

    def __init__(
        self,
        store: ObjectStore,
        container: str,
        root: Path,
        known: Known,
        tally: Tally,
        crew: Crew,
        segment_size: int = CUT,
    ) -> None:
        self._store = store
        self._container = container
        self._root = root
        self._known = known
        self._tally = tally
        self._crew = crew
        self._segment_size = segment_size
        self._lock = threading.Lock()
        self._open = ExitStack()
        self.files = self.bytes = self.skipped = 0
        """What was fetched, and how many files were there unchanged."""

    def fetch(self, fetches: Sequence[Fetch]) -> None:
        """
        Fetch what is missing or differs; returns when it is there.

        :raises HostError: the disk has no room for what is missing; nothing was fetched.
        """
        needed = sum(self._needed(fetch) for fetch in fetches)
        free = shutil.disk_usage(self._root).free
        if needed > free:
            raise HostError(
                f"{self._root} has {free:,} bytes of room, and what is missing there needs {needed:,}: make room, or "
                "fetch to another disk"
            )
        targets = [self._root / fetch.place for fetch in fetches]
        self._known.recall(LocalFile.at(str(one), one.stat()) for one in targets if one.is_file())
        with self._open:
            self._crew.add(partial(self._one, fetch) for fetch in fetches)
            self._crew.run()

    def _needed(self, fetch: Fetch) -> int:
        """Bytes of room that a file needs; what is left of an attempt that broke off has some already."""
        target = self._root / fetch.place
        try:
            if target.stat().st_size == fetch.size:
                return 0  # perhaps it has changed; then it makes its own room when it is replaced
        except OSError:
            pass
        if not is_large(fetch.size, self._segment_size):
            return fetch.size
        return max(0, fetch.size - sum(left.stat().st_blocks * 512 for left in leftovers(target)))

    def _one(self, fetch: Fetch) -> None:
        target = self._root / fetch.place
        if not target.parent.resolve().is_relative_to(self._root):
            raise StoreError(
                f"{target.parent} is a link that leaves {self._root}: {fetch.stored.name!r} is not fetched"
            )
        folder(target.parent)
        if self._is_there(target, fetch):
            self._tally.advance(fetch.size, files=1)
            with self._lock:
                self.skipped += 1
            return
        if is_large(fetch.size, self._segment_size):
            self._crew.add(self._in_parts(target, fetch))
            return
        self._store.get(self._container, fetch.stored.name, target, advance=self._tally.advance)
        self._done(fetch.size)

    def _is_there(self, target: Path, fetch: Fetch) -> bool:
        if not target.is_file():
            return False
        here = LocalFile.at(str(target), target.stat())
        cut = cut_for(here.size, self._store.limits(), self._segment_size) if fetch.stored.segments_md5 else 0
        same = Send(Source(fetch.stored.name, here), fetch.stored, cut)
        return unchanged(self._store, self._container, same, self._known)

    def _in_parts(self, target: Path, fetch: Fetch, *, again: bool = False) -> list[Job]:
        shape = self._store.look(self._container, fetch.stored.name)
        parts = [part for part in shape.parts if part.size] or list(cut_up(shape.size, self._segment_size))
        file = PartFile(target, shape, parts)
        with self._lock:
            self._open.callback(file.close)
        missing = file.missing()
        self._tally.advance(fetch.size - sum(parts[number].size for number in missing))
        if not missing:
            self._complete(target, fetch, file, 0, again=again)
            return []
        left = set(missing)

        def one(number: int) -> None:
            self._part(fetch, shape, parts[number], file)
            file.mark(number)
            with self._lock:
                left.discard(number)
                last = not left
            if last:
                self._complete(target, fetch, file, sum(parts[number].size for number in missing), again=again)

        return [partial(one, number) for number in missing]

    def _part(self, fetch: Fetch, shape: Shape, part: Part, file: PartFile) -> None:
        name = fetch.stored.name
        self._store.get_part(self._container, name, shape, part, file.write, advance=self._tally.advance)

    def _complete(self, target: Path, fetch: Fetch, file: PartFile, size: int, *, again: bool) -> None:
        try:
            file.place()
        except Corrupted:
            if again:
                raise
            # Which part is damaged nobody can tell where only the whole has an MD5.
            self._tally.advance(-fetch.size)
            self._crew.add(self._in_parts(target, fetch, again=True))
        else:
            self._done(size)

    def _done(self, size: int) -> None:
        with self._lock:
            self.files += 1
            self.bytes += size
        self._tally.advance(0, files=1)


def folder(path: Path) -> Path:
    """Make *path* a folder."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HostError(f"The folder {path} cannot be made: {error.strerror or error}") from error
    return path
