"""What the checkpoints of a training have in the object store, found by one listing."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import ValidationError

from airflow_dlaas.contract.results import checkpoints_folder
from airflow_dlaas.service.checkpoints.manifest import CheckpointManifest, manifest_name, parse_manifest_name
from airflow_dlaas.service.checkpoints.retention import CheckpointId, kept_checkpoints

if TYPE_CHECKING:
    from airflow_dlaas.storage.object_store import ObjectStore

_CONTENT_NAME = re.compile(r".*/[0-9]+/content/(?P<md5>[0-9a-f]{32})-(?P<size>[0-9]+)")


@dataclass(slots=True)
class StoredCheckpoints:
    """The objects of a training's checkpoints. It is updated with each object that is stored or deleted."""

    training_id: str
    manifests: dict[CheckpointId, Collection[str] | None] = field(default_factory=dict)
    """For each manifest, the names of the objects that it needs; None if it is not known."""
    contents: dict[tuple[str, int], str] = field(default_factory=dict)
    """By MD5 and size of a file's content: the name of an object that has it."""
    names: set[str] = field(default_factory=set)
    """The names of all objects with contents."""

    def add_content(self, name: str) -> None:
        """Add the object *name* if it is one with a content."""
        if (match := _CONTENT_NAME.fullmatch(name)) is not None:
            self.names.add(name)
            self.contents[match["md5"], int(match["size"])] = name

    def remove_contents(self, names: Collection[str]) -> None:
        """Remove objects that were deleted."""
        self.names.difference_update(names)
        self.contents = {content: name for content, name in self.contents.items() if name in self.names}


def list_checkpoints(store: ObjectStore, container: str, training_id: str, kept: int) -> StoredCheckpoints:
    """
    List the checkpoints of a training, and read the newest *kept* manifests.

    :raises StoreError: the store cannot be reached, or refuses.
    """
    stored, sizes = StoredCheckpoints(training_id), dict[CheckpointId, int]()
    for one in store.list_objects(container, f"{checkpoints_folder(training_id)}/"):
        if (checkpoint := parse_manifest_name(training_id, one.name)) is not None:
            sizes[checkpoint] = one.size
            stored.manifests[checkpoint] = None
        else:
            stored.add_content(one.name)
    for checkpoint in kept_checkpoints(sizes, kept):
        manifest = read_manifest(store, container, manifest_name(training_id, *checkpoint), sizes[checkpoint])
        stored.manifests[checkpoint] = None if manifest is None else object_names(manifest)
    return stored


def read_manifest(store: ObjectStore, container: str, name: str, size: int) -> CheckpointManifest | None:
    """Read a manifest of *size* bytes; None for content that is no manifest."""
    try:
        return CheckpointManifest.model_validate_json(store.read_range(container, name, 0, size))
    except ValidationError:
        return None


def object_names(manifest: CheckpointManifest) -> frozenset[str]:
    """Return the names of the objects that *manifest* needs."""
    return frozenset(one.object_name for one in manifest.entries if one.object_name is not None)
