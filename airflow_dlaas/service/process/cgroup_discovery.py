"""
Finds the control groups (cgroups) of this machine in which this process may make groups.

Two versions of the kernel's interface exist: version 2 has one hierarchy, version 1 one for each controller. A machine
can have both; a controller belongs to one of them. https://docs.kernel.org/admin-guide/cgroup-v2.html
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from airflow_dlaas.exceptions import HostError

AUTO, OFF = "auto", "off"
"""Values of the setting: search for a group, and use none. Any other value is the path of a delegated group."""

CONTROLLERS = ("memory", "cpu")
"""The controllers that limit a training."""

SYSTEMD_SLICE = ".slice"
"""End of the name of a group that systemd manages, in which no other program makes groups."""

_ESCAPED = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class CgroupMount:
    """A mounted hierarchy."""

    mount_point: Path
    root: str
    """The group that is visible at the mount point: not ``/`` in many containers."""
    controllers: tuple[str, ...]
    """Of version 1; empty for version 2, whose groups list them in a file."""
    version: int

    def path_of(self, group: str) -> Path:
        """Return the directory of *group*, or the mount point if the group is not visible below it."""
        inside = os.path.relpath(group, self.root)
        return self.mount_point if inside == "." or inside.startswith("..") else self.mount_point / inside


@dataclass(frozen=True, slots=True)
class CgroupParents:
    """The groups below which a group can be made, for each controller that is available; never empty."""

    version: int
    by_controller: dict[str, Path]


def parse_mounts(mountinfo: str) -> list[CgroupMount]:
    """Return the hierarchies in the text of ``/proc/self/mountinfo``."""
    found = []
    for line in mountinfo.splitlines():
        before, separator, after = line.partition(" - ")
        fields, kind = before.split(" "), after.split(" ")
        if not separator or len(fields) < 5 or len(kind) < 3 or kind[0] not in ("cgroup", "cgroup2"):
            continue
        controllers = tuple(one for one in CONTROLLERS if one in kind[2].split(",")) if kind[0] == "cgroup" else ()
        version = 1 if kind[0] == "cgroup" else 2
        found.append(CgroupMount(Path(_unescape(fields[4])), _unescape(fields[3]), controllers, version))
    return found


def parse_own_groups(proc_cgroup: str) -> dict[str, str]:
    """Return this process's group for each controller in the text of ``/proc/self/cgroup``; version 2 is ``""``."""
    groups: dict[str, str] = {}
    for line in proc_cgroup.splitlines():
        _, controllers, path = line.split(":", 2)
        groups.update(dict.fromkeys(controllers.split(","), path))
    return groups


def find_parents(setting: str, mountinfo: str, proc_cgroup: str) -> CgroupParents:
    """
    Return the groups in which this process may make groups, of version 2 if it has a controller there.

    Tried are a delegated group that *setting* names; else this process's group, the one above it, and the mount point.

    :param setting: `AUTO`, `OFF`, or the path of a delegated group of version 2.
    :raises HostError: there is none; the message has the reason.
    """
    if setting == OFF:
        raise HostError("switched off by DLAAS_CGROUPS")
    mounts, own = parse_mounts(mountinfo), parse_own_groups(proc_cgroup)
    if setting != AUTO:
        return CgroupParents(2, _require_delegated(Path(setting)))
    if not mounts:
        raise HostError("this machine has no mounted cgroups")
    for mount in (one for one in mounts if one.version == 2):
        for candidate in _candidates(mount, own.get("", "/")):
            if controllers := _enabled_controllers(candidate):
                return CgroupParents(2, dict.fromkeys(controllers, candidate))
    found = {
        controller: parent
        for mount in mounts
        for controller in mount.controllers
        if (parent := next(filter(_is_writable, _candidates(mount, own.get(controller, "/"))), None)) is not None
    }
    if not found:
        raise HostError("no cgroup with the memory or the cpu controller is writable for the service's user")
    return CgroupParents(1, found)


def own_directories(mountinfo: str, proc_cgroup: str) -> Iterator[tuple[int, Path]]:
    """Yield version and directory of this process's groups and of all groups above them: their limits hold for it."""
    own = parse_own_groups(proc_cgroup)
    for mount in parse_mounts(mountinfo):
        for name in mount.controllers or ("",):
            directory = mount.path_of(own.get(name, "/"))
            yield from ((mount.version, one) for one in (directory, *directory.parents) if _is_below(one, mount))


def _is_below(directory: Path, mount: CgroupMount) -> bool:
    return directory.is_relative_to(mount.mount_point)


def _candidates(mount: CgroupMount, own_group: str) -> Iterator[Path]:
    own = mount.path_of(own_group)
    yield own
    if own != mount.mount_point and own.parent != mount.mount_point and not own.parent.name.endswith(SYSTEMD_SLICE):
        yield own.parent
    if own != mount.mount_point:
        yield mount.mount_point


def _require_delegated(parent: Path) -> dict[str, Path]:
    if controllers := _enabled_controllers(parent):
        return dict.fromkeys(controllers, parent)
    raise HostError(
        f"DLAAS_CGROUPS names {parent}, and the service's user cannot make groups with the memory or the cpu "
        "controller there"
    )


def _enabled_controllers(parent: Path) -> tuple[str, ...]:
    """
    Return the controllers that groups below *parent*, of version 2, can have; enable those that are not yet.

    The kernel refuses to enable one in a group that has processes of its own.
    """
    if not _is_writable(parent):
        return ()
    try:
        available = (parent / "cgroup.controllers").read_text("ascii").split()
        subtree = parent / "cgroup.subtree_control"
        for one in CONTROLLERS:
            if one in available and one not in subtree.read_text("ascii").split():
                subtree.write_text(f"+{one}", "ascii")
        enabled = subtree.read_text("ascii").replace("+", " ").split()
    except OSError:
        return ()
    return tuple(one for one in CONTROLLERS if one in enabled)


def _is_writable(directory: Path) -> bool:
    return os.access(directory, os.W_OK) and os.access(directory / "cgroup.procs", os.W_OK)


def _unescape(text: str) -> str:
    return _ESCAPED.sub(lambda match: chr(int(match[1], 8)), text)
