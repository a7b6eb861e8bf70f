"""How a cached file gets into the folder of a job: the modes, and the choice of one. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class LinkMode(str, Enum):
    """How a cached file gets into the folder of a job."""

    REFLINK = "reflink"
    """An own file that shares its blocks with the cached one until one of them changes."""
    SYMLINK = "symlink"
    """A symbolic link to a hard link in a folder of the job that its command can only read."""
    HARDLINK = "hardlink"
    """The cached file itself, under another name; it has no write permission."""
    COPY = "copy"
    """An own file."""


@dataclass(frozen=True, slots=True)
class LinkChoice:
    """A mode, and why it is the one."""

    mode: LinkMode
    reason: str
    """For the log: the rest of a sentence after the mode."""


def choose_link_mode(isolation: str, *, is_root: bool, reflinks: bool, hard_links: bool) -> LinkChoice:
    """
    Choose the cheapest mode in which no command can change what another training reads.

    :param isolation: ``bubblewrap``, ``container`` or ``none``, as `Isolation.mode` of the learner.
    :param is_root: whether the command runs as root, for whom a file without write permission is no obstacle.
    :param reflinks: whether files of the cache can be cloned into the job's folder.
    :param hard_links: whether they can have a second name there: both are on one file system that has hard links.
    """
    if reflinks:
        return LinkChoice(LinkMode.REFLINK, "the file system shares the blocks of copies")
    if not hard_links:
        return LinkChoice(LinkMode.COPY, "the cache is on another file system, or on one without hard links")
    if isolation in {"bubblewrap", "container"}:
        return LinkChoice(LinkMode.SYMLINK, "the command is isolated, and sees the linked files read-only")
    if is_root:
        return LinkChoice(
            LinkMode.COPY, "the command is not isolated and runs as root, so it could change linked files"
        )
    return LinkChoice(LinkMode.HARDLINK, "the command is not isolated; the linked files have no write permission")
