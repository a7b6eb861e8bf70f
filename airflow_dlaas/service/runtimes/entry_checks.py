"""The results of the checks of catalogue entries, so that each check runs once for each content of an entry."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from airflow_dlaas.service.runtimes.catalogue_file import CatalogueEntry


class EntryChecks:
    """
    Remembers why entries cannot be used, by their content. Thread-safe.

    If a catalogue file changes, its changed entries are checked again, and the others are not. Two threads that need
    the same check share it; a slow check delays nothing but its own entry. Entries of kind ``container`` are checked at
    each call: whether an engine answers can change at any time, and the check of engines has a cache of its own.

    :param check: returns why an entry cannot be used, or None; see `airflow_dlaas.service.runtimes.probe.check_entry`.
    """

    def __init__(self, check: Callable[[CatalogueEntry], str | None]) -> None:
        self._check = check
        self._lock = threading.Lock()
        self._results: dict[str, _Result] = {}

    def __call__(self, entry: CatalogueEntry) -> str | None:
        """Return why *entry* cannot be used on this machine, or None."""
        if entry.kind == "container":
            return self._check(entry)
        # Without the aliases: an entry of the site may take one from an entry of the package.
        content = entry.model_copy(update={"aliases": ()}).model_dump_json()
        with self._lock:
            result = self._results.setdefault(content, _Result())
        with result.lock:
            if not result.is_known:
                result.reason = self._check(entry)
                result.is_known = True
            return result.reason


@dataclass(slots=True)
class _Result:
    """The result of one check."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    is_known: bool = False
    reason: str | None = None
