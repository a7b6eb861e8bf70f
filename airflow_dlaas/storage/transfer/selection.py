"""What an upload is about: its arguments checked, its files found and named, before any request is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from airflow_dlaas.contract.store_names import require_container_name, require_prefix
from airflow_dlaas.exceptions import NothingSelected
from airflow_dlaas.storage.sources.local import Source, local_sources, named_sources
from airflow_dlaas.storage.sources.patterns import Patterns, parse_patterns
from airflow_dlaas.storage.transfer.plan import folder_prefix, require_valid_names

UploadSources = Path | str | Mapping[str, Path] | Sequence[Source]
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
    def from_arguments(
        cls,
        sources: UploadSources,
        container: str,
        prefix: str,
        include: Patterns,
        exclude: Patterns,
        allow_empty: bool,
    ) -> Selection:
        """Check the arguments and find the files. Sends nothing."""
        container, prefix = require_container_name(container), require_prefix(prefix)
        included, excluded = parse_patterns(include, "include"), parse_patterns(exclude, "exclude") or ()
        try:
            found = _find_sources(sources, included, excluded)
        except NothingSelected:
            if not allow_empty:
                raise
            found = ()
        files = [replace(one, name=folder_prefix(prefix) + one.name) for one in found]
        require_valid_names(files)
        return cls(files, container, prefix, included, excluded)


def _find_sources(
    sources: UploadSources, include: tuple[str, ...] | None, exclude: tuple[str, ...]
) -> Sequence[Source]:
    if isinstance(sources, (str, Path)):
        return local_sources(sources, include, exclude)
    if isinstance(sources, Mapping):
        return named_sources(sources)
    if not sources:
        raise NothingSelected("There is no file to upload. If that may be so, set allow_empty")
    return sources
