"""
Folders that take long to fill: they are filled beside their final location, so that the next attempt resumes them.
"""

from __future__ import annotations

import glob
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from airflow_dlaas._util.file_lock import file_lock
from airflow_dlaas.exceptions import DlaasError, HostError
from airflow_dlaas.hooks.sources import local_path
from airflow_dlaas.task_runs.locations import publish_from_local, replace_path

PART_SUFFIX = ".dlaas-part"
LOCK_SUFFIX = ".dlaas-lock"


@contextmanager
def resumable_folder(location: str, content_id: str) -> Iterator[Path]:
    """
    Yield a folder to fill, which becomes *location* after the block, as in `publish_from_local`.

    For a local location the folder is resumable: it is hidden beside the location, and *content_id* is part of its
    name. It stays if the attempt ends with a transient error, or if the process ends, and the next attempt with the
    same id continues with it. Any other `DlaasError` is final and removes it. Folders of other ids beside the same
    location are removed.

    :param content_id: names the content, so that no attempt continues with other content.
    :raises HostError: another process fills the folder, or the folder cannot be written. On a file system without locks
        the other process is not noticed.
    """
    local = local_path(location)
    if local is None:
        with publish_from_local(location) as folder:
            yield folder
        return
    folder = local.with_name(f".{local.name}.{re.sub('[^A-Za-z0-9_-]', '-', content_id)}{PART_SUFFIX}")
    with _exclusive_lock(folder):
        _remove_leftovers(local, exclude=folder)
        try:
            yield folder
        except DlaasError as error:
            if not error.transient:
                shutil.rmtree(folder, ignore_errors=True)
            raise
        replace_path(local, folder)


@contextmanager
def _exclusive_lock(folder: Path) -> Iterator[None]:
    lock = folder.with_suffix(LOCK_SUFFIX)
    with ExitStack() as stack:
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(file_lock(lock, timeout=0, unlink=True, ignore_unsupported=True))
        except BlockingIOError:
            raise HostError(f"{folder} is being filled by another process: wait for it, or end it") from None
        except OSError as error:
            raise HostError(f"{folder.parent} cannot be written: {error.strerror or error}") from error
        yield


def _remove_leftovers(local: Path, *, exclude: Path) -> None:
    hidden = local.parent.glob(f".{glob.escape(local.name)}.*")
    for folder in {one.with_suffix(PART_SUFFIX) for one in hidden if one.suffix in {PART_SUFFIX, LOCK_SUFFIX}}:
        # A name with more dots belongs to another location, whose name begins with the name of this one.
        if folder != exclude and folder.name.count(".") == exclude.name.count("."):
            with suppress(HostError), _exclusive_lock(folder):
                shutil.rmtree(folder, ignore_errors=True)
