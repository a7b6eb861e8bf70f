"""Carrying out a plan to send: what is unchanged stays, the rest goes, several at a time."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from airflow_dlaas.contract.store_names import has_dot_step
from airflow_dlaas.exceptions import Corrupted, ObjectNotFound, StoreError
from airflow_dlaas.storage.body import Held, md5_of
from airflow_dlaas.storage.object_store import ObjectStore, StoredObject
from airflow_dlaas.storage.segments import beside, own
from airflow_dlaas.storage.sources.local import Origin
from airflow_dlaas.storage.transfer.change_detection import unchanged, whole_md5
from airflow_dlaas.storage.transfer.checksum_cache import Known
from airflow_dlaas.storage.transfer.multipart_upload import LargeUpload, forget, segments_of
from airflow_dlaas.storage.transfer.plan import HELD, Send
from airflow_dlaas.storage.transfer.worker_pool import Crew, Tally

SMALL = 1024**2
"""Bytes of a local file that is read once, to be hashed and sent; a larger one is read for each, in pieces."""

AT_ONCE = 1000
"""Objects deleted by one job."""


class Uploading:
    """One transfer to a container; told what to send and what to delete, counts what it did."""

    def __init__(self, store: ObjectStore, container: str, known: Known, tally: Tally, crew: Crew) -> None:
        self._store = store
        self._container = container
        self._known = known
        self._tally = tally
        self._crew = crew
        self._lock = threading.Lock()
        self._large: list[LargeUpload] = []
        self._sent: list[int] = []
        self.skipped: list[Send] = []
        """What turned out to be there already."""

    @property
    def files(self) -> int:
        """Files sent."""
        return len(self._sent) + len(self._large)

    @property
    def bytes(self) -> int:
        """Bytes sent, those of failed attempts left out."""
        return sum(self._sent) + sum(one.sent for one in self._large)

    def send(self, sends: Sequence[Send]) -> None:
        """Send what has changed; returns when it is there."""
        self._crew.add(partial(self._one, send) for send in sends)
        self._crew.run()

    def compare(self, sends: Sequence[Send]) -> None:
        """Only find out what has changed."""
        self._crew.add(partial(self._skips, send) for send in sends)
        self._crew.run()

    def delete(self, superfluous: Sequence[StoredObject]) -> None:
        """
        Delete objects, with the segments that only they consist of.

        The segments of an object whose name has a step ``.`` or ``..`` stay: no request can ask what it consists of.
        """
        large = [one for one in superfluous if one.segments_md5 and not has_dot_step(one.name)]
        plain = [one.name for one in superfluous if not one.segments_md5 or has_dot_step(one.name)]
        batches = [plain[start : start + AT_ONCE] for start in range(0, len(plain), AT_ONCE)]
        self._crew.add(partial(self._store.delete, self._container, batch) for batch in batches)
        self._crew.add(partial(self._delete_large, one) for one in large)
        self._crew.run()

    def _one(self, send: Send) -> None:
        if self._skips(send):
            return
        if send.cut:
            large = LargeUpload(self._store, self._container, send, self._known, self._tally)
            self._large.append(large)
            self._crew.add(large.begin())
            return
        before = segments_of(self._store, self._container, send)
        self._put(send.source.name, send.source.origin)
        forget(self._store, self._container, send.source.name, before)
        with self._lock:
            self._sent.append(send.source.size)
        self._tally.advance(0, files=1)

    def _skips(self, send: Send) -> bool:
        if not unchanged(self._store, self._container, send, self._known):
            return False
        with self._lock:
            self.skipped.append(send)
        self._tally.advance(send.source.size, files=1)
        return True

    def _put(self, name: str, origin: Origin) -> None:
        advance = self._tally.advance
        held = self._held(origin) if origin.size <= (SMALL if origin.near else HELD) else None
        if held is not None:
            self._known.note(origin, 0, [self._store.put(self._container, name, held, advance=advance)])
        elif origin.near and origin.changed():
            self._store.put(self._container, name, Path(origin.place), advance=advance)
        elif origin.near:
            md5 = whole_md5(origin, self._known)
            self._store.put(self._container, name, Path(origin.place), md5=md5, advance=advance)
        else:
            content = origin.part(0, origin.size)
            self._store.put(self._container, name, content, md5=md5_of(content), advance=advance)

    def _held(self, origin: Origin) -> Held | None:
        """Read all of *origin*; None where it is here, and was written since it was found: there may be more of it."""
        with suppress(Corrupted):
            data = b"".join(map(bytes, origin.part(0, origin.size).pieces()))
            if not origin.near and origin.size > SMALL and origin.changed():  # it was read in more than one request
                raise StoreError(f"{origin.place} was written while it was being read: let it be written first")
            if not (origin.near and origin.changed()):
                return Held(data)
        return None

    def _delete_large(self, one: StoredObject) -> None:
        segments: set[str] = set()
        with suppress(ObjectNotFound):  # somebody else is deleting it
            segments = own(self._container, one.name, self._store.look(self._container, one.name).parts)
        self._store.delete(self._container, [one.name])
        self._store.delete(beside(self._container), sorted(segments))
