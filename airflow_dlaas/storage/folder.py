"""Which files of a folder are code to be packed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from airflow_dlaas.errors import InvalidBundle
from airflow_dlaas.storage import entries


def files_of(
    folder: Path, include: Sequence[str] | None, exclude: Sequence[str], allow_nested: bool
) -> list[tuple[str, Path]]:
    """
    Name the files of *folder* to pack and say where they are, in the order of their names.

    :raises InvalidBundle: see `bundle.pack`.
    """
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "does not exist"
        raise InvalidBundle(f"{folder} {what}: name the folder the code lies in")
    found: list[tuple[str, Path]] = []
    for name, path in _walk(folder, "", folder.resolve(), exclude):
        if include is not None and not _matches(name, include):
            continue
        entries.check_name(name)
        if not allow_nested:
            entries.check_flat(name)
        found.append((name, path))
    if not found:
        raise InvalidBundle(f"{folder} holds no file to pack: put the code there, or look at include and exclude")
    entries.check_count(len(found))
    return sorted(found)


def _walk(folder: Path, above: str, root: Path, exclude: Sequence[str]) -> Iterator[tuple[str, Path]]:
    try:
        with os.scandir(folder) as scan:
            children = list(scan)
    except OSError as error:
        raise InvalidBundle(f"{folder} cannot be read: {error.strerror}") from error
    for child in children:
        name = above + child.name
        if _matches(name, exclude) or child.name.endswith(".pyc") or child.name == "__pycache__":
            continue
        path = Path(child.path)
        if child.is_symlink():
            _check_link(path, name, root)
        if child.is_dir():
            if not child.name.startswith("."):
                yield from _walk(path, name + "/", root, exclude)
        elif child.is_file():
            yield name, path
        else:
            raise InvalidBundle(f"{name!r} is neither a file nor a folder: leave it out with exclude")


def _check_link(path: Path, name: str, root: Path) -> None:
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: a circle, before Python 3.13
        raise InvalidBundle(
            f"{name!r} is a link that leads nowhere: remove it, or leave it out with exclude"
        ) from error
    if not target.is_relative_to(root):
        raise InvalidBundle(f"{name!r} is a link that leaves the folder: copy the file into it, or leave it out")
    if target.is_dir():
        raise InvalidBundle(f"{name!r} is a link to a folder: leave it out, or put the folder itself there")


def _matches(name: str, patterns: Sequence[str]) -> bool:
    steps = name.split("/")
    spellings = {"/".join(steps[:depth]) for depth in range(1, len(steps) + 1)} | set(steps)
    return any(fnmatchcase(spelling, pattern.rstrip("/")) for spelling in spellings for pattern in patterns)
