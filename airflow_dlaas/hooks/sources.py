"""The files at a location: a path of this machine, or an address that Airflow's `ObjectStoragePath` can open."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit
from urllib.request import url2pathname

from airflow_dlaas.exceptions import InvalidArgument, NothingSelected

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

    from airflow_dlaas.contract.patterns import Patterns
    from airflow_dlaas.storage.sources.local import Source

Location: TypeAlias = "str | PurePath | ObjectStoragePath"
"""``/srv/data``, ``file:///srv/data`` or ``s3://connection@bucket/key``: a file, a folder or a glob."""


def local_path(location: str) -> Path | None:
    """
    Return the path of *location* on this machine, or None for another file system.

    :raises InvalidArgument: a ``file://`` address with the name of another machine.
    """
    parts = urlsplit(location)
    if not parts.scheme:
        return Path(location)
    if parts.scheme != "file":
        return None
    if parts.netloc not in {"", "localhost"}:
        raise InvalidArgument(
            f"{location}: a file address cannot name another machine; write it with three slashes, file:///path"
        )
    return Path(url2pathname(parts.path))


def find_sources(
    location: Location, include: Patterns, exclude: Patterns, *, allow_empty: bool = False
) -> Sequence[Source]:
    """
    Find the files at *location* that *include* and *exclude* select.

    Files of another file system are not read here: a transfer reads them in parts while it sends them.

    :raises NothingSelected: there is no file, or the patterns select none, and *allow_empty* is not set.
    :raises StoreError: there is no such location, or it cannot be read.
    """
    text = str(location)
    local = local_path(text)
    try:
        return _remote_sources(text, include, exclude) if local is None else _local_sources(local, include, exclude)
    except NothingSelected:
        if not allow_empty:
            raise
        return []


def _local_sources(path: Path, include: Patterns, exclude: Patterns) -> Sequence[Source]:
    from airflow_dlaas.storage.sources.local import local_sources

    return local_sources(path, include, exclude)


def _remote_sources(location: str, include: Patterns, exclude: Patterns) -> Sequence[Source]:
    from airflow.sdk import ObjectStoragePath

    from airflow_dlaas.storage.sources.remote import remote_sources

    remote = ObjectStoragePath(location)
    return remote_sources(remote.fs, remote.path, location, include, exclude)
