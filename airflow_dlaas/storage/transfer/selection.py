"""The files of an upload: its arguments are checked, its files found and named, before any request is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from airflow_dlaas.contract.patterns import parse_patterns
from airflow_dlaas.contract.store_names import require_container_name, require_prefix
from airflow_dlaas.exceptions import NothingSelected
from airflow_dlaas.storage.sources.local import Source, local_sources, named_sources
from airflow_dlaas.storage.transfer.options import UploadOptions
from airflow_dlaas.storage.transfer.plan import folder_prefix, require_valid_names

UploadSources = Path | str | Mapping[str, Path] | Sequence[Source]
"""A file, a folder or a glob on this machine; files under given names; or sources that were already found."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The files of one upload under the names they will have, and their destination; every argument is checked."""

    files: Sequence[Source]
    container: str
    prefix: str
    include: tuple[str, ...] | None
    exclude: tuple[str, ...]

    @classmethod
    def from_arguments(cls, sources: UploadSources, container: str, options: UploadOptions) -> Selection:
        """Check the arguments of `upload` and find the files; sends no request and raises as `upload` does."""
        container, prefix = require_container_name(container), require_prefix(options.prefix)
        include = parse_patterns(options.include, "include")
        exclude = parse_patterns(options.exclude, "exclude") or ()
        try:
            found = _find_sources(sources, include, exclude)
        except NothingSelected:
            if not options.allow_empty:
                raise
            found = ()
        files = [replace(one, name=folder_prefix(prefix) + one.name) for one in found]
        require_valid_names(files)
        return cls(files, container, prefix, include, exclude)


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
