"""Comparing what arrives with what was stored. No I/O."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from airflow_dlaas.exceptions import Corrupted
from airflow_dlaas.storage.object_store import Part


class Checker:
    """
    Told the bytes of an object in their order, says whether they are those that were stored.

    :param what: the object, for the complaint.
    :param parts: all of it; each is compared as soon as it is complete. One without an MD5 is compared by its size.
    """

    def __init__(self, what: str, parts: Sequence[Part]) -> None:
        self._what = what
        self._parts = [part for part in parts if part.size] or list(parts[:1])
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._left = self._parts[0].size if self._parts else 0
        self._at = 0
        self.size = 0
        """Bytes told so far."""

    def take(self, piece: bytes) -> None:
        """
        Go on with *piece*.

        :raises Corrupted: a part that is now complete has another MD5, or there are more bytes than there should be.
        """
        rest = memoryview(piece)
        self.size += len(piece)
        while rest:
            if self._at >= len(self._parts):
                raise Corrupted(f"{self._what} is longer than it should be")
            now = rest[: self._left]
            self._md5.update(now)
            self._left -= len(now)
            rest = rest[len(now) :]
            if not self._left:
                self._compare()

    def finish(self) -> None:
        """
        Say that no more will come.

        :raises Corrupted: there should have been more.
        """
        if self._at < len(self._parts) and not self._left:  # an empty object
            self._compare()
        if self._at < len(self._parts):
            whole = sum(part.size for part in self._parts)
            raise Corrupted(f"{self._what} ended after {self.size} of {whole} bytes")

    def _compare(self) -> None:
        part, came = self._parts[self._at], self._md5.hexdigest()
        if part.md5 and part.md5 != came:
            raise Corrupted(f"{self._what} arrived with the MD5 {came}, and {part.md5} was stored")
        self._at += 1
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._left = self._parts[self._at].size if self._at < len(self._parts) else 0
