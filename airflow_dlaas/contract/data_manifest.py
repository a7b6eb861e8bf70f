"""
Manifests of training data: the names, sizes and digests of all objects of one source. No I/O.

A manifest identifies a version of data: `version_of` gives equal texts for equal objects, wherever they are stored. A
training stores the manifests of what it has read in its results (`MANIFEST_BASENAME`). A container keeps the manifests
of its named versions as objects below `VERSIONS_FOLDER`; `DataContainerRef.version` selects one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping

from pydantic import Field

from airflow_dlaas.contract.base import ApiModel
from airflow_dlaas.contract.data_report import DataSourceReport

MANIFEST_BASENAME = "training-data.json"
"""The last component of the name of a training's manifest, in the folder of its results."""

VERSIONS_FOLDER = ".dlaas-versions"
"""The folder of a container with the manifests of its versions. No training has these objects as data."""


class ManifestObject(ApiModel):
    """An object of training data."""

    name: str
    """Relative to the prefix of the source: the path of the file below the folder of the source."""
    size: int = Field(ge=0)
    digest: str
    """The digest that the store has: ``md5:`` and hex for an object in one piece, ``etag:`` and the ETag for others."""


class SourceManifest(ApiModel):
    """What a training read from one source, or a version of a container."""

    source: DataSourceReport
    objects: tuple[ManifestObject, ...]
    """Sorted by name."""


class DataManifest(ApiModel):
    """The content of `MANIFEST_BASENAME`: all sources of a training, in the order of its definition."""

    training_id: str
    sources: tuple[SourceManifest, ...]


def version_of(objects: Iterable[ManifestObject]) -> str:
    """Return the version that *objects* are: ``sha256:`` and hex."""
    lines = sorted(json.dumps([one.name, one.size, one.digest]) for one in objects)
    return "sha256:" + hashlib.sha256("\n".join(lines).encode()).hexdigest()


def version_object_name(version: str) -> str:
    """Return the name of the object with the manifest of *version* in its container."""
    return f"{VERSIONS_FOLDER}/{version.removeprefix('sha256:')}.json"


def is_version_object(name: str) -> bool:
    """Whether *name* is the name of a manifest of a version."""
    return name.startswith(f"{VERSIONS_FOLDER}/")


def differences(before: SourceManifest, after: SourceManifest) -> Mapping[str, tuple[str, ...]]:
    """Compare two manifests; return the names that were ``added``, ``removed`` and ``changed``, sorted."""
    old, new = ({one.name: one for one in manifest.objects} for manifest in (before, after))
    return {
        "added": tuple(sorted(new.keys() - old.keys())),
        "removed": tuple(sorted(old.keys() - new.keys())),
        "changed": tuple(sorted(name for name in new.keys() & old.keys() if new[name] != old[name])),
    }
