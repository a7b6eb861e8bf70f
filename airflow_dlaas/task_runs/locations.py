"""
Files that travel between tasks: by URL, since two tasks may run on two machines.

A place is a path that all workers share (``/srv/work/digits``, ``file:///srv/…``) or anything that Airflow's
`ObjectStoragePath` reaches (``s3://conn@bucket/key``). What our steps need as local files is brought here first, and
what they made locally is put there afterwards.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from airflow_dlaas.exceptions import InvalidArgument, InvalidBundle, NothingSelected

if TYPE_CHECKING:
    from airflow_dlaas.storage.sources.local import Source
    from airflow_dlaas.storage.sources.patterns import Patterns


def local_path(location: str) -> Path | None:
    """The path that *location* is on this machine, or None where it is elsewhere."""
    parts = urlsplit(location)
    if not parts.scheme:
        return Path(location)
    if parts.scheme != "file":
        return None
    if parts.netloc not in {"", "localhost"}:
        raise InvalidArgument(
            f"{location}: a file address names no other machine than this one; write it with three slashes, file:///path"
        )
    return Path(url2pathname(parts.path))


def resolve_sources(location: str, include: Patterns, exclude: Patterns, *, allow_empty: bool = False) -> list[Source]:
    """
    Find the files at *location*, a path or a glob of this machine or an address, that *include* and *exclude* select.

    Files elsewhere are read when they are sent, piece by piece.

    :raises NothingSelected: there is no file, or the patterns select none, and *allow_empty* is not set.
    """
    from airflow_dlaas.storage.sources.local import local_sources

    try:
        here = local_path(location)
        return _remote_sources(location, include, exclude) if here is None else local_sources(here, include, exclude)
    except NothingSelected:
        if not allow_empty:
            raise
        return []


def _remote_sources(location: str, include: Patterns, exclude: Patterns) -> list[Source]:
    from airflow.sdk import ObjectStoragePath

    from airflow_dlaas.storage.sources.remote import remote_sources

    there = ObjectStoragePath(location)
    return remote_sources(there.fs, there.path, location, include, exclude)


@contextmanager
def fetch_to_local(location: str) -> Iterator[Path]:
    """Have *location*, a file or a folder, as a local path for the time of the block."""
    local = local_path(location)
    if local is not None:
        if not local.exists():
            raise InvalidBundle(f"{location}: there is no such file or folder on this worker")
        yield local
        return
    from airflow.sdk import ObjectStoragePath

    with tempfile.TemporaryDirectory(prefix="dlaas-") as folder:
        there = ObjectStoragePath(location)
        here = Path(folder) / there.name
        if there.is_dir():
            for file in there.rglob("*"):
                if file.is_file():
                    # Not `relative_to`, which in Airflow 3.1 gives the whole address.
                    copy = here / file.path.removeprefix(there.path).lstrip("/")
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    with file.open("rb") as source, copy.open("wb") as target:  # type: ignore[no-untyped-call]
                        shutil.copyfileobj(source, target)
        else:
            with there.open("rb") as source, here.open("wb") as target:  # type: ignore[no-untyped-call]
                shutil.copyfileobj(source, target)
        yield here


@contextmanager
def publish_from_local(location: str) -> Iterator[Path]:
    """
    Have a local path to make a file or a folder at; when the block ends well, it is put at *location*.

    A local place is replaced as a whole (written aside, then renamed); when the block fails, it stays as it was.
    """
    local = local_path(location)
    if local is None:
        with tempfile.TemporaryDirectory(prefix="dlaas-") as folder:
            made = Path(folder) / "made"
            yield made
            _copy_to_location(made, location)
        return
    local.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{local.name}.", dir=local.parent) as folder:
        made = Path(folder) / "made"
        yield made
        if local.is_dir() and not made.is_dir():
            raise InvalidArgument(f"{location} is a folder, and a file is to be put there: name the file")
        replace_path(local, made)


@contextmanager
def local_output_dir(location: str) -> Iterator[Path]:
    """Have a folder to put files into: *location* itself where it is local, else one that is put there in the end."""
    local = local_path(location)
    if local is not None:
        yield local
        return
    with publish_from_local(location) as made:
        yield made


def replace_path(target: Path, replacement: Path) -> None:
    """Put *made*, which lies beside it, in the place of whatever *target* is."""
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as aside:
        if target.exists():
            target.rename(Path(aside) / "before")
        replacement.replace(target)


def _copy_to_location(local: Path, location: str) -> None:
    from airflow.sdk import ObjectStoragePath

    there = ObjectStoragePath(location)
    files = [file for file in local.rglob("*") if file.is_file()] if local.is_dir() else [local]
    for file in files:
        target = there / file.relative_to(local).as_posix() if local.is_dir() else there
        target.parent.mkdir(parents=True, exist_ok=True)
        with file.open("rb") as source, target.open("wb") as sink:  # type: ignore[no-untyped-call]
            shutil.copyfileobj(source, sink)
