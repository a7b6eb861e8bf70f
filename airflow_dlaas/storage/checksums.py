"""Comparison of received bytes with the MD5s of what was stored. No I/O."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from airflow_dlaas.exceptions import Corrupted
from airflow_dlaas.storage.object_store import Part


class ChecksumVerifier:
    """
    Receives the bytes of an object in their order, and checks that they are those that were stored.

    :param object_name: the object, for errors.
    :param parts: the whole object. Each part is compared when it is complete; a part without an MD5 by its size.
    """

    def __init__(self, object_name: str, parts: Sequence[Part]) -> None:
        self._object_name = object_name
        self._parts = [part for part in parts if part.size] or list(parts[:1])
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._part_remaining = self._parts[0].size if self._parts else 0
        self._part_index = 0
        self._part_md5s: list[str] = []
        self.bytes_received = 0
        """The number of bytes so far."""

    def update(self, chunk: bytes) -> None:
        """
        Add *chunk*.

        :raises Corrupted: a part is complete and has another MD5, or there are more bytes than were stored.
        """
        remaining = memoryview(chunk)
        self.bytes_received += len(chunk)
        while remaining:
            if self._part_index >= len(self._parts):
                raise Corrupted(f"{self._object_name} is longer than what was stored")
            of_part = remaining[: self._part_remaining]
            self._md5.update(of_part)
            self._part_remaining -= len(of_part)
            remaining = remaining[len(of_part) :]
            if not self._part_remaining:
                self._verify_part()

    def finalize(self) -> None:
        """
        Check that all bytes were received.

        :raises Corrupted: there were fewer bytes than were stored, or an empty object has another MD5.
        """
        if self._part_index < len(self._parts) and not self._part_remaining:  # an empty object
            self._verify_part()
        if self._part_index < len(self._parts):
            total = sum(part.size for part in self._parts)
            raise Corrupted(f"{self._object_name} ended after {self.bytes_received} of {total} bytes")

    def _verify_part(self) -> None:
        part, received_md5 = self._parts[self._part_index], self._md5.hexdigest()
        if part.md5 and part.md5 != received_md5:
            raise Corrupted(f"{self._object_name} arrived with the MD5 {received_md5}, but {part.md5} was stored")
        self._part_md5s.append(received_md5)
        self._part_index += 1
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._part_remaining = self._parts[self._part_index].size if self._part_index < len(self._parts) else 0


class PartsVerifier(ChecksumVerifier):
    """
    A `ChecksumVerifier` of an object whose parts have no MD5s of their own: the ETag of the whole is made of them.

    :param etag: the ETag of the object; *compose* returns the ETag that the MD5s of the parts make.
    """

    def __init__(
        self, object_name: str, parts: Sequence[Part], etag: str, compose: Callable[[Sequence[str]], str]
    ) -> None:
        super().__init__(object_name, parts)
        self._etag = etag
        self._compose = compose

    def finalize(self) -> None:
        super().finalize()
        received = self._compose(self._part_md5s)
        if received != self._etag:
            raise Corrupted(f"{self._object_name} arrived with the ETag {received}, but {self._etag} was stored")
