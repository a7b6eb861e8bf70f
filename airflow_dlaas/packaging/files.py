"""Which files of a folder are code to be packed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from airflow_dlaas.exceptions import InvalidBundle
from airflow_dlaas.packaging import entries, ignore_file, secret_scan
from airflow_dlaas.storage.sources.patterns import Patterns, as_patterns, matches, wanted

NAMED = 5
"""Files that a refusal names; a number stands for those beyond."""


def files_of(
    folder: Path,
    include: Patterns,
    exclude: Patterns,
    allow_nested: bool,
    allow_secrets: Patterns,
) -> list[tuple[str, Path]]:
    """
    Name the files of *folder* to pack and say where they are, in the order of their names.

    :raises InvalidArgument, InvalidBundle: see `bundle.pack`.
    """
    included, excluded = as_patterns(include, "include"), as_patterns(exclude, "exclude") or ()
    allowed = as_patterns(allow_secrets, "allow_secrets") or ()
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "does not exist"
        raise InvalidBundle(f"{folder} {what}: name the folder the code lies in")
    found: list[tuple[str, Path]] = []
    for name, path in _walk(folder, "", folder.resolve(), excluded, ignore_file.rules_of(folder)):
        if not wanted(name, included, ()):
            continue
        entries.check_name(name)
        if not allow_nested:
            entries.check_flat(name)
        found.append((name, path))
    if not found:
        selection = f"include {list(included)}, exclude" if included is not None else "include, exclude"
        raise InvalidBundle(
            f"{folder} holds no file to pack: put the code there, or look at {selection} and {ignore_file.FILE}"
        )
    entries.check_count(len(found))
    found.sort()
    _check_secrets((name, path) for name, path in found if not matches(name, allowed))
    return found


def _walk(
    folder: Path, above: str, root: Path, exclude: tuple[str, ...], rules: ignore_file.Rules | None
) -> Iterator[tuple[str, Path]]:
    try:
        with os.scandir(folder) as scan:
            children = list(scan)
    except OSError as error:
        raise InvalidBundle(f"{folder} cannot be read: {error.strerror}") from error
    for child in children:
        name = above + child.name
        if matches(name, exclude) or child.name.endswith(".pyc") or child.name == "__pycache__":
            continue
        if name == ignore_file.FILE or (rules is not None and _leaves_out(rules, child, name)):
            continue
        path = Path(child.path)
        if child.is_symlink():
            _check_link(path, name, root)
        if child.is_dir():
            if not child.name.startswith("."):
                yield from _walk(path, name + "/", root, exclude, rules)
        elif child.is_file():
            yield name, path
        else:
            raise InvalidBundle(f"{name!r} is neither a file nor a folder: leave it out with exclude")


def _leaves_out(rules: ignore_file.Rules, child: os.DirEntry[str], name: str) -> bool:
    if not child.is_dir():
        return rules.cover(name)
    return rules.cover_link_to_folder(name) if child.is_symlink() else rules.cover_all_of(name)


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


def _check_secrets(files: Iterable[tuple[str, Path]]) -> None:
    suspects = [f"{name!r} ({why})" for name, path in files if (why := _suspicion(name, path))]
    if suspects:
        more = f" and {len(suspects) - NAMED} more" if len(suspects) > NAMED else ""
        raise InvalidBundle(
            f"A secret does not belong in a zip of code, and this looks like one: {', '.join(suspects[:NAMED])}{more}. "
            f"Leave it out by {ignore_file.FILE} or exclude, or name it in allow_secrets"
        )


def _suspicion(name: str, path: Path) -> str | None:
    if secret_scan.is_named_like_a_secret(name):
        return "by its name"
    try:
        with path.open("rb") as file:
            head = file.read(secret_scan.HEAD)
    except OSError as error:
        raise InvalidBundle(f"{path} cannot be packed: {error.strerror or error}") from error
    return "it holds a private key" if secret_scan.holds_a_private_key(head) else None
