"""The folders below which definitions may name mounted folders: the setting, and the rule. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePath

from airflow_dlaas.service.job_settings import MountRoot

MOUNTS_SETTING = "DLAAS_MOUNTS"

WRITABLE = ":rw"
"""The end of an entry below which a definition may ask for a folder that its command can change."""


def parse_mount_roots(text: str) -> tuple[MountRoot, ...]:
    """
    Parse the setting: absolute paths separated by commas, each with ``:rw`` at its end or without.

    :raises ValueError: an entry is no absolute path, has a step ``..``, is named twice, or is ``/``, below which the
        data of the service itself would be.
    """
    roots = tuple(_parse_root(one.strip()) for one in text.split(",") if one.strip())
    if len({one.path for one in roots}) < len(roots):
        raise ValueError(text)
    return roots


def _parse_root(entry: str) -> MountRoot:
    path = PurePath(entry.removesuffix(WRITABLE))
    if not path.is_absolute() or ".." in path.parts or len(path.parts) == 1:
        raise ValueError(entry)
    return MountRoot(path=Path(path), writable=entry.endswith(WRITABLE))


def innermost_root(path: PurePath, roots: Sequence[MountRoot]) -> MountRoot | None:
    """
    Return the root that decides about *path*, by the names alone: the longest one that it is in. None if there is none.
    """
    return max(
        (one for one in roots if path.is_relative_to(one.path)), key=lambda one: len(one.path.parts), default=None
    )


def describe_roots(roots: Sequence[MountRoot]) -> tuple[str, ...]:
    """Return the roots as the setting has them."""
    return tuple(f"{one.path}{WRITABLE if one.writable else ''}" for one in roots)
