"""
The mounted folders of a definition: which folder of this machine each one is, and whether its command may change it.

A folder is the one that its path leads to after all links. It must be below one of the site's roots then; otherwise a
link in a root, which another training may have made, would lead to any folder of the machine.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.stores import MountRef
from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.job_files import JobDirectory
from airflow_dlaas.service.job_settings import MountRoot
from airflow_dlaas.service.job_spec import JobSpec
from airflow_dlaas.service.learner.data_folders import source_folders

UNMOUNTABLE = frozenset(':,"\\\n\r')
"""Characters that divide the options of a container engine: a path with one could name a second folder to mount."""


class MountRefused(HostError):
    """The definition names a folder that it may not have: its author can correct that."""


@dataclass(frozen=True, slots=True)
class Mount:
    """One mounted folder, or a file."""

    field: str
    """The path of its field in the definition."""
    named: Path
    """The path that the definition has."""
    path: Path
    """The folder that it leads to, without links."""
    folder: str
    """Its place below DATA_DIR; ``"."`` if it is DATA_DIR itself."""
    writable: bool

    @property
    def is_folder(self) -> bool:
        """Whether it is no file."""
        return self.path.is_dir()


def find_mounts(job: JobDirectory, spec: JobSpec, definition: TrainingDefinition) -> tuple[Mount, ...]:
    """
    Return the mounted folders of *definition*, in its order.

    :raises MountRefused: a folder is not below one of the roots, or may not be changed.
    :raises HostError: there is no such folder on this machine.
    """
    sources = [one.source for one in definition.training_data]
    return tuple(
        _find_mount(source, f"training_data[{index}].source.path", folder, job, spec)
        for index, (source, folder) in enumerate(zip(sources, source_folders(sources), strict=True))
        if isinstance(source, MountRef)
    )


def root_of(path: Path, roots: Sequence[MountRoot]) -> MountRoot | None:
    """Return the innermost of *roots* that *path* is in, both without links; None if it is in none of them."""
    found = [one for one in roots if path.is_relative_to(os.path.realpath(one.path))]
    return max(found, key=lambda one: len(Path(os.path.realpath(one.path)).parts), default=None)


def _find_mount(source: MountRef, field: str, folder: str, job: JobDirectory, spec: JobSpec) -> Mount:
    named, roots = Path(source.path), spec.mount_roots
    allowed = ", ".join(str(one.path) for one in roots) or "none"
    if not any(named.is_relative_to(one.path) for one in roots):
        raise MountRefused(f"{field}: {source.path} is not below a folder that may be mounted here: {allowed}")
    path = Path(os.path.realpath(named))
    root = root_of(path, roots)
    if root is None or _is_of_service(path, root, job):
        raise MountRefused(f"{field}: {source.path} leads out of the folders that may be mounted here: {allowed}")
    if not source.is_read_only and not root.writable:
        raise MountRefused(
            f"{field}: {source.path} cannot be mounted with read_only false: the site permits that for no folder "
            f"below {root.path}"
        )
    if spec.runtime.kind == "container" and not UNMOUNTABLE.isdisjoint(str(path)):
        raise MountRefused(f"{field}: {source.path} has a character that no path of a mount into a container can have")
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise HostError(
            f"{field}: {source.path} cannot be mounted on this machine ({error.strerror}): is its file system there?"
        ) from error
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        raise MountRefused(f"{field}: {source.path} is neither a folder nor a file")
    place = named.name if folder == "." and stat.S_ISREG(mode) else folder
    return Mount(field, named, path, place, writable=not source.is_read_only)


def _is_of_service(path: Path, root: MountRoot, job: JobDirectory) -> bool:
    """Whether *path* has, or is in, the service's home or the job's folder; a root in the home is the site's choice."""
    own, home = Path(os.path.realpath(job.path)), Path(os.path.realpath(job.path.parent.parent))
    if any(one.is_relative_to(path) for one in (own, home)) or path.is_relative_to(own):
        return True
    return path.is_relative_to(home) and not Path(os.path.realpath(root.path)).is_relative_to(home)


def link_mounts(mounts: Sequence[Mount], data: Path) -> None:
    """
    Link each mount to its place below *data*; the folder itself becomes a link to a single mounted folder.

    :raises OSError: a link cannot be made.
    """
    for one in mounts:
        replace_by_link(data if one.folder == "." else data / one.folder, one.path)


def replace_by_link(link: Path, target: Path) -> None:
    """Make *link* a symbolic link to *target*; an empty folder at its place is removed."""
    if link.is_dir() and not link.is_symlink():
        link.rmdir()
    link.unlink(missing_ok=True)
    link.symlink_to(target)
