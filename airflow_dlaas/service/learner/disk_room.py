"""Whether the disks of a machine have room for what is loaded: decided before the first byte."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from airflow_dlaas.exceptions import HostError


@dataclass(frozen=True, slots=True)
class RoomNeeded:
    """Bytes that will be written below a folder."""

    folder: Path
    size: int


@dataclass(frozen=True, slots=True)
class DiskSpace:
    """The disk of a folder."""

    device: int
    """Equal for folders on the same file system."""
    free: int
    """Bytes that this user may still write."""


def disk_space(folder: Path) -> DiskSpace:
    """
    Return the disk that *folder* is on, or will be.

    :raises OSError: it cannot be read.
    """
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    found = os.statvfs(folder)
    return DiskSpace(folder.stat().st_dev, found.f_bavail * found.f_frsize)


def require_room(needs: Sequence[RoomNeeded], get_space: Callable[[Path], DiskSpace] = disk_space) -> None:
    """
    Check that all of *needs* fit; those on the same disk are added up.

    :param get_space: returns the disk of a folder.
    :raises HostError: a disk has too little space; the message has how much is missing.
    """
    by_device: dict[int, list[tuple[RoomNeeded, DiskSpace]]] = {}
    for one in needs:
        space = get_space(one.folder)
        by_device.setdefault(space.device, []).append((one, space))
    for found in by_device.values():
        needed, free = sum(one.size for one, _ in found), found[0][1].free
        if needed > free:
            folders = " and ".join(dict.fromkeys(str(one.folder) for one, _ in found if one.size))
            raise HostError(
                f"The training data does not fit on the disk of {folders}: {needed - free:,} bytes are missing. It "
                f"needs {needed:,} bytes, and {free:,} are free. Nothing was loaded. Free some space, or select less "
                "(prefix, include, exclude)"
            )
