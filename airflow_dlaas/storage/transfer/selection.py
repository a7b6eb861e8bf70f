"""What an upload is about: its arguments checked, its files found and named, before any request is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from airflow_dlaas.contract.store_names import require_container_name, require_prefix
from airflow_dlaas.exceptions import NothingSelected
from airflow_dlaas.storage.sources.local import Source, local, named
from airflow_dlaas.storage.sources.patterns import Patterns, as_patterns
from airflow_dlaas.storage.transfer.plan import as_folder, require_names

Sources = Path | str | Mapping[str, Path] | Sequence[Source]
"""A file, a folder or a glob on this machine; files by the names given; or what was found already."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The files of one upload under the names they will have, and where they go; every argument has been checked."""

    files: Sequence[Source]
    container: str
    prefix: str
    include: tuple[str, ...] | None
    exclude: tuple[str, ...]

    @classmethod
    def of(
        cls, sources: Sources, container: str, prefix: str, include: Patterns, exclude: Patterns, allow_empty: bool
    ) -> Selection:
        """Check the arguments and find the files. Sends nothing."""
        container, prefix = require_container_name(container), require_prefix(prefix)
        included, excluded = as_patterns(include, "include"), as_patterns(exclude, "exclude") or ()
        try:
            found = _found(sources, included, excluded)
        except NothingSelected:
            if not allow_empty:
                raise
            found = ()
        files = [replace(one, name=as_folder(prefix) + one.name) for one in found]
        require_names(files)
        return cls(files, container, prefix, included, excluded)


def _found(sources: Sources, include: tuple[str, ...] | None, exclude: tuple[str, ...]) -> Sequence[Source]:
    if isinstance(sources, (str, Path)):
        return local(sources, include, exclude)
    if isinstance(sources, Mapping):
        return named(sources)
    if not sources:
        raise NothingSelected("There is no file to upload. If that may be so, set allow_empty")
    return sources
