"""Storing one large file as segments, side by side; an attempt that broke off is taken up where it was."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial

from airflow_dlaas.exceptions import ContainerNotFound, Corrupted, ObjectNotFound
from airflow_dlaas.storage.body import md5_of
from airflow_dlaas.storage.object_store import ObjectStore
from airflow_dlaas.storage.segments import Found, above, beside, cut_up, found, own, segment_name
from airflow_dlaas.storage.transfer.checksum_cache import Known
from airflow_dlaas.storage.transfer.plan import Send
from airflow_dlaas.storage.transfer.worker_pool import Job, Tally


class LargeUpload:
    """
    One file on its way.

    What is stored under its name changes in one step, when every segment is there. Segments of an attempt that broke
    off stay: they are what the next one takes up, if their MD5s are still the file's, and deletes when it has ended.

    Two uploads of one name at once leave the object of the one or of the other. The one that began later deletes what
    the other had sent by then, before its own object appears: the other, unless it ended earlier, fails and says so.
    So does one that took up a segment which somebody else has deleted since. The next attempt goes on.
    """

    def __init__(self, store: ObjectStore, container: str, send: Send, known: Known, tally: Tally) -> None:
        self._store = store
        self._container = container
        self._beside = beside(container)
        self._send = send
        self._known = known
        self._tally = tally
        self._upload = secrets.token_hex(8)
        self._parts = list(cut_up(send.source.size, send.cut))
        self._there: list[Found] = []
        self._left = len(self._parts)
        self._lock = threading.Lock()
        self.sent = 0
        """Bytes that were sent, those of failed attempts left out."""

    def begin(self) -> list[Job]:
        """Look at what is there already; the jobs that remain. The one that ends last finishes the whole."""
        name, origin = self._send.source.name, self._send.source.origin
        try:
            self._there = list(found(name, self._store.list(self._beside, above(name))))
        except ContainerNotFound:
            self._store.create_container(self._beside)
        noted = self._known.md5s(origin, self._send.cut)
        if noted and len(noted) == len(self._parts):
            self._parts = [replace(part, md5=md5) for part, md5 in zip(self._parts, noted, strict=True)]
        return [partial(self._segment, number) for number in range(len(self._parts))]

    def _segment(self, number: int) -> None:
        part, source, cut = self._parts[number], self._send.source, self._send.cut
        content = source.origin.part(part.start, part.size)
        candidates = {
            one.stored.md5: one.stored.name
            for one in self._there
            if (one.size, one.cut, one.number, one.stored.size) == (source.size, cut, number, part.size)
        }
        md5 = part.md5 or (md5_of(content) if candidates else None)
        place = candidates.get(md5) if md5 else None
        if place:
            self._tally.advance(part.size)
        else:
            place = segment_name(source.name, source.size, cut, self._upload, number)
            md5 = self._store.put_segment(self._beside, place, content, advance=self._tally.advance)
        with self._lock:
            self.sent += 0 if place in candidates.values() else part.size
            self._parts[number] = replace(part, md5=md5, place=(self._beside, place))
            self._left -= 1
            last = not self._left
        if last:
            self._finish()

    def _finish(self) -> None:
        source, origin = self._send.source, self._send.source.origin
        if origin.changed():
            raise Corrupted(f"{origin.place} was written while it was being sent: let it be written first")
        before = segments_of(self._store, self._container, self._send)
        # Of what is gone before our object appears no other upload can make its own any more, however late it ends.
        left = {one.stored.name for one in self._there} - {part.place[1] for part in self._parts if part.place}
        self._store.delete(self._beside, sorted(left - before))
        self._store.join(self._container, source.name, self._parts)
        self._known.note(origin, self._send.cut, [part.md5 for part in self._parts if part.md5])
        forget(self._store, self._container, source.name, before)
        self._tally.advance(0, files=1)


def segments_of(store: ObjectStore, container: str, send: Send) -> set[str]:
    """Name the segments of what is stored under a name so far, in the container beside."""
    if send.stored is None or not (send.stored.segments_md5 or send.cut):
        return set()
    try:
        return own(container, send.stored.name, store.look(container, send.stored.name).parts)
    except ObjectNotFound:
        return set()


def forget(store: ObjectStore, container: str, name: str, segments: Iterable[str]) -> None:
    """Delete those of *segments* that the object *name*, as it is now, does not consist of."""
    superfluous = set(segments)
    if not superfluous:
        return
    with suppress(ObjectNotFound):
        superfluous -= own(container, name, store.look(container, name).parts)
    store.delete(beside(container), sorted(superfluous))
