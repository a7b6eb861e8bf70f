"""The files of a folder that are packed into an archive."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from airflow_dlaas.contract.format_list import format_list
from airflow_dlaas.contract.patterns import Patterns, is_selected, matches_any, parse_patterns
from airflow_dlaas.exceptions import InvalidBundle
from airflow_dlaas.packaging import entries, ignore_file, secret_scan


def files_to_pack(
    folder: Path,
    include: Patterns,
    exclude: Patterns,
    allow_nested: bool,
    allow_secrets: Patterns,
) -> list[tuple[str, Path]]:
    """
    Return the names in the archive and the paths of the files of *folder* to pack, sorted by name.

    :raises InvalidArgument, InvalidBundle: see `archive.pack`.
    """
    included, excluded = parse_patterns(include, "include"), parse_patterns(exclude, "exclude") or ()
    allowed = parse_patterns(allow_secrets, "allow_secrets") or ()
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "does not exist"
        raise InvalidBundle(f"{folder} {what}: give the folder that contains the code")
    found: list[tuple[str, Path]] = []
    for name, path in _walk_files(folder, "", folder.resolve(), excluded, ignore_file.read_ignore_rules(folder)):
        if not is_selected(name, included, ()):
            continue
        entries.require_safe_name(name)
        if not allow_nested:
            entries.require_flat_name(name)
        found.append((name, path))
    if not found:
        selection = f"include {list(included)}, exclude" if included is not None else "include, exclude"
        raise InvalidBundle(
            f"{folder} holds no file to pack: put the code there, or check {selection} and "
            f"{ignore_file.IGNORE_FILE_NAME}"
        )
    entries.require_entry_count(len(found))
    found.sort()
    _require_no_secrets((name, path) for name, path in found if not matches_any(name, allowed))
    return found


def _walk_files(
    folder: Path, name_prefix: str, root: Path, exclude: tuple[str, ...], ignore_rules: ignore_file.IgnoreRules | None
) -> Iterator[tuple[str, Path]]:
    try:
        with os.scandir(folder) as scan:
            children = list(scan)
    except OSError as error:
        raise InvalidBundle(f"{folder} cannot be read: {error.strerror}") from error
    for child in children:
        name = name_prefix + child.name
        if matches_any(name, exclude) or child.name.endswith(".pyc") or child.name == "__pycache__":
            continue
        if name == ignore_file.IGNORE_FILE_NAME or (
            ignore_rules is not None and _is_ignored(ignore_rules, child, name)
        ):
            continue
        path = Path(child.path)
        if child.is_symlink():
            _require_internal_link(path, name, root)
        if child.is_dir():
            if not child.name.startswith("."):
                yield from _walk_files(path, name + "/", root, exclude, ignore_rules)
        elif child.is_file():
            yield name, path
        else:
            raise InvalidBundle(f"{name!r} is neither a file nor a folder: leave it out with exclude")


def _is_ignored(ignore_rules: ignore_file.IgnoreRules, entry: os.DirEntry[str], name: str) -> bool:
    if not entry.is_dir():
        return ignore_rules.ignores_file(name)
    return ignore_rules.ignores_folder_link(name) if entry.is_symlink() else ignore_rules.ignores_folder(name)


def _require_internal_link(path: Path, name: str, root: Path) -> None:
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links, before Python 3.13
        raise InvalidBundle(
            f"{name!r} is a link that leads nowhere: remove it, or leave it out with exclude"
        ) from error
    if not target.is_relative_to(root):
        raise InvalidBundle(f"{name!r} is a link that leaves the folder: copy the file into it, or leave it out")
    if target.is_dir():
        raise InvalidBundle(f"{name!r} is a link to a folder: leave it out, or replace it by the folder itself")


def _require_no_secrets(files: Iterable[tuple[str, Path]]) -> None:
    suspects = [f"{name!r} ({why})" for name, path in files if (why := _secret_reason(name, path))]
    if suspects:
        raise InvalidBundle(
            f"A secret does not belong in a zip of code, and this looks like one: {format_list(suspects)}. "
            f"Leave it out by {ignore_file.IGNORE_FILE_NAME} or exclude, or name it in allow_secrets"
        )


def _secret_reason(name: str, path: Path) -> str | None:
    if secret_scan.has_secret_name(name):
        return "by its name"
    try:
        with path.open("rb") as file:
            head = file.read(secret_scan.HEAD_SIZE)
    except OSError as error:
        raise InvalidBundle(f"{path} cannot be packed: {error.strerror or error}") from error
    return "it holds a private key" if secret_scan.contains_private_key(head) else None
