"""
Local copies of the files that tasks pass on: tasks exchange addresses, because they may run on different machines.

A location is a path that all workers share (``/srv/work/digits``, ``file:///srv/…``), or any address that Airflow's
`ObjectStoragePath` can open (``s3://conn@bucket/key``). A file that an operator needs is copied to the worker first; a
file that it makes is copied to its location afterwards.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from airflow_dlaas.exceptions import InvalidArgument, InvalidBundle
from airflow_dlaas.hooks.sources import local_path


@contextmanager
def fetch_to_local(location: str) -> Iterator[Path]:
    """
    Yield a local path of the file or folder at *location*; a copy of a remote one is deleted after the block.

    :raises InvalidBundle: there is no such file or folder on this worker.
    """
    local = local_path(location)
    if local is not None:
        if not local.exists():
            raise InvalidBundle(f"{location}: there is no such file or folder on this worker")
        yield local
        return
    from airflow.sdk import ObjectStoragePath

    with tempfile.TemporaryDirectory(prefix="dlaas-") as folder:
        remote = ObjectStoragePath(location)
        copy = Path(folder) / remote.name
        if remote.is_dir():
            for file in remote.rglob("*"):
                if file.is_file():
                    # Not `relative_to`, which returns the whole address in Airflow 3.1.
                    target = copy / file.path.removeprefix(remote.path).lstrip("/")
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with file.open("rb") as source, target.open("wb") as sink:  # type: ignore[no-untyped-call]
                        shutil.copyfileobj(source, sink)
        else:
            with remote.open("rb") as source, copy.open("wb") as sink:  # type: ignore[no-untyped-call]
                shutil.copyfileobj(source, sink)
        yield copy


@contextmanager
def publish_from_local(location: str) -> Iterator[Path]:
    """
    Yield a local path at which the block makes a file or a folder; it is moved or copied to *location* at the end.

    A local location is replaced as a whole: the new content is made beside it, and then renamed. If the block raises,
    the location stays unchanged.

    :raises InvalidArgument: the location is a local folder, and the block made a file.
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
            raise InvalidArgument(f"{location} is a folder, and cannot be replaced by a file: name the file")
        replace_path(local, made)


@contextmanager
def local_output_dir(location: str) -> Iterator[Path]:
    """Yield a local folder to write files into: *location* itself, or one that is copied to it after the block."""
    local = local_path(location)
    if local is not None:
        yield local
        return
    with publish_from_local(location) as made:
        yield made


def replace_path(target: Path, replacement: Path) -> None:
    """
    Replace the file or folder *target*, if there is one, by *replacement*, which is in the same folder.

    Not `atomic_write`: a folder cannot be replaced in one step, so the old one is moved aside first. Between the two
    renames there is nothing at *target*.
    """
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as aside:
        if target.exists():
            target.rename(Path(aside) / "before")
        replacement.replace(target)


def _copy_to_location(local: Path, location: str) -> None:
    from airflow.sdk import ObjectStoragePath

    remote = ObjectStoragePath(location)
    files = [file for file in local.rglob("*") if file.is_file()] if local.is_dir() else [local]
    for file in files:
        target = remote / file.relative_to(local).as_posix() if local.is_dir() else remote
        target.parent.mkdir(parents=True, exist_ok=True)
        with file.open("rb") as source, target.open("wb") as sink:  # type: ignore[no-untyped-call]
            shutil.copyfileobj(source, sink)
