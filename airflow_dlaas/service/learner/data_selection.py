"""
Which objects of a container are the data of one source. No I/O.

Never data: manifests of versions, and the service's own objects among results (markers and checkpoints). Results of
trainings are data only if the prefix of the source is in their folder: to begin with an earlier model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_dlaas.contract.data_manifest import ManifestObject, SourceManifest, is_version_object, version_of
from airflow_dlaas.contract.patterns import is_selected
from airflow_dlaas.contract.results import enclosing_folder, is_internal, nested_result_objects, result_folders
from airflow_dlaas.contract.stores import DataContainerRef
from airflow_dlaas.exceptions import StoreError

if TYPE_CHECKING:
    from airflow_dlaas.storage.object_store import StoredObject

MAX_NAMED_OBJECTS = 5
"""Objects that an error about a version names."""


class VersionNotHeld(StoreError):
    """A container does not have the objects of a version any more; only its owner can change that."""


@dataclass(frozen=True, slots=True)
class DataSelection:
    """The data of one source."""

    folder: str
    """The folder whose path is left out of the names of files: empty, or with a slash at its end."""
    objects: tuple[StoredObject, ...]
    """Without objects that only mark folders."""
    left_out_results: Mapping[str, int] = field(default_factory=dict)
    """The folders with results of trainings that are left out, each with the number of its objects."""

    @property
    def files(self) -> tuple[ManifestObject, ...]:
        """The objects as a manifest has them, sorted by name; those without a digest have an empty one."""
        start = len(self.folder)
        found = (ManifestObject(name=one.name[start:], size=one.size, digest=one.digest or "") for one in self.objects)
        return tuple(sorted(found, key=lambda one: one.name))


def data_version(files: Sequence[ManifestObject]) -> str | None:
    """Return the version that *files* are; None if the store has no digest for one of them."""
    return None if any(not one.digest for one in files) else version_of(files)


def source_folder(source: DataContainerRef) -> str:
    """Return the folder of *source* in its container: empty, or with a slash at its end."""
    prefix = (source.prefix or "").rstrip("/")
    return f"{prefix}/" if prefix else ""


def select_data(listing: Sequence[StoredObject], source: DataContainerRef) -> DataSelection:
    """Return the data of *source* among the objects of *listing*, which is that of the folder of the source."""
    folder = source_folder(source)
    names = [one.name for one in listing if one.name.startswith(folder)]
    left_out = nested_result_objects(names, folder) if folder else _result_objects(names)
    results, folders = frozenset(left_out), result_folders(left_out)
    objects = tuple(
        one
        for one in listing
        if one.name.startswith(folder)
        and one.name not in results
        and not (one.is_folder_marker or is_version_object(one.name) or is_internal(one.name))
        and is_selected(one.name[len(folder) :], source.include, source.exclude or ())
    )
    by_folder = Counter(enclosing_folder(name, folders) or "" for name in left_out)
    return DataSelection(folder, objects, dict(by_folder.most_common()))


def require_version(manifest: SourceManifest, source: DataContainerRef) -> None:
    """
    Check that *manifest* is the one of the version of *source*, and of its prefix.

    :raises VersionNotHeld: it is not; the message has the way out.
    """
    if (found := version_of(manifest.objects)) != source.version:
        raise VersionNotHeld(
            f"The manifest of version {source.version} in container {source.container!r} is damaged: it has the "
            f"objects of version {found}. Store the version again, or leave out 'version'"
        )
    made_of = (manifest.source.prefix or "").rstrip("/")
    if source.prefix is not None and source.prefix.rstrip("/") != made_of:
        raise VersionNotHeld(
            f"Version {source.version} in container {source.container!r} is one of prefix {made_of!r}, and the source "
            f"has prefix {source.prefix!r}: leave out 'prefix', or name a version of this prefix"
        )


def select_version(
    listing: Sequence[StoredObject], manifest: SourceManifest, source: DataContainerRef
) -> DataSelection:
    """
    Return the objects of *manifest* that the patterns of *source* select, as they are in *listing*.

    Objects that were stored since are no part of the version.

    :raises VersionNotHeld: objects are missing or have another content; the message names up to five of them.
    """
    prefix = (manifest.source.prefix or "").rstrip("/")
    folder = f"{prefix}/" if prefix else ""
    stored = {one.name: one for one in listing}
    wanted = [one for one in manifest.objects if is_selected(one.name, source.include, source.exclude or ())]
    missing = [one.name for one in wanted if folder + one.name not in stored]
    changed = [
        one.name
        for one in wanted
        if (found := stored.get(folder + one.name)) is not None and (found.size, found.digest) != (one.size, one.digest)
    ]
    if missing or changed:
        problems = [*(f"{name!r} is missing" for name in missing), *(f"{name!r} has changed" for name in changed)]
        raise VersionNotHeld(
            f"Container {source.container!r} does not hold version {source.version} any more: "
            f"{_name_some(problems)}. Store these objects again as they were, or name another version"
        )
    return DataSelection(folder, tuple(stored[folder + one.name] for one in wanted))


def _result_objects(names: Sequence[str]) -> list[str]:
    folders = result_folders(names)
    return [name for name in names if enclosing_folder(name, folders) is not None]


def _name_some(problems: Sequence[str]) -> str:
    more = len(problems) - MAX_NAMED_OBJECTS
    return ", ".join(problems[:MAX_NAMED_OBJECTS]) + (f" and {more} more" if more > 0 else "")
