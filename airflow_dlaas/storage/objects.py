"""What every object store promises, whichever it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

Advance = Callable[[int], None]
"""Told how many bytes just went through; a negative number takes back those of an attempt that failed."""


@dataclass(frozen=True)
class StoredObject:
    """An object as a listing has it."""

    name: str
    size: int
    """Bytes."""
    md5: str | None
    """Of the content, in lower-case hex; None where the store does not know it (an object made of segments)."""
    modified: datetime
    folder: bool = False
    """Whether it only marks a folder: some tools store an empty object for each."""


class ObjectStore(Protocol):
    """
    The few verbs.

    - Thread-safe: any number of threads may use one store at once.
    - Every verb but `check` sits transient trouble out, within bounds; a transient error that leaves has been retried.
    - Errors are those of `airflow_dlaas.errors`: `StoreError` and below; `HostError` when a file cannot be
      written on this machine. None of them holds a secret.
    """

    def check(self, container: str) -> None:
        """
        See whether *container* can be reached, at once: no retries.

        :raises StoreRefused: the credentials are wrong, or do not reach that far.
        :raises ContainerNotFound: there is no such container.
        :raises StoreUnreachable: no answer, or one that says "later".
        """

    def containers(self) -> Sequence[str]:
        """The names of all containers."""

    def create_container(self, name: str) -> None:
        """Make sure the container exists."""

    def list(self, container: str, prefix: str = "") -> Iterator[StoredObject]:
        """
        All objects whose names start with *prefix*, in the store's order, page by page as they are asked for.

        What is stored or deleted meanwhile may or may not appear.
        """

    def put(
        self,
        container: str,
        name: str,
        source: Path | bytes,
        *,
        md5: str | None = None,
        content_type: str | None = None,
        advance: Advance | None = None,
    ) -> str:
        """
        Store *source* as the whole content of *name*, in place of what was there; its MD5.

        All or nothing: the store compares the MD5 itself, so that what arrived damaged, or changed while it was being
        sent, is not kept and the object before it stays. *md5* saves reading the file twice where it is known.

        :raises Corrupted: it differed at every attempt.
        """

    def get(self, container: str, name: str, destination: Path, *, advance: Advance | None = None) -> int:
        """
        Fetch *name* into the file *destination*, whose folder exists; the number of bytes.

        The file appears complete and verified, or not at all. What was there before is replaced in one step.
        """

    def delete(self, container: str, names: Iterable[str]) -> None:
        """Delete objects; one that is already gone is no error."""
