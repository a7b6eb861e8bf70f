"""Manifests of training data: read from the results of trainings, compared, and stored as versions of a container."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import zip_longest

from pydantic import ValidationError

from airflow_dlaas.cli.results import results_location
from airflow_dlaas.contract.data_manifest import (
    MANIFEST_BASENAME,
    DataManifest,
    ManifestObject,
    SourceManifest,
    differences,
    version_object_name,
    version_of,
)
from airflow_dlaas.contract.data_report import DataSourceReport
from airflow_dlaas.contract.stores import DataContainerRef, StoreType
from airflow_dlaas.contract.training import Training
from airflow_dlaas.exceptions import InvalidArgument, NothingSelected, ObjectNotFound, StoreError
from airflow_dlaas.service.learner.data_selection import select_data
from airflow_dlaas.storage.object_store import ObjectStore, StoredObject

NO_DIFFERENCES: Mapping[str, tuple[str, ...]] = {"added": (), "removed": (), "changed": ()}


@dataclass(frozen=True, slots=True)
class SourceComparison:
    """One source of two trainings; the first one's or the second one's is None if it has fewer sources."""

    before: DataSourceReport | None
    after: DataSourceReport | None
    changes: Mapping[str, tuple[str, ...]]
    """The names that were ``added``, ``removed`` and ``changed``."""

    @property
    def is_equal(self) -> bool:
        """Whether both have the same objects. It is unknown for mounted folders, which are not listed."""
        return self.before is not None and self.after is not None and not any(self.changes.values())


def read_manifest(store: ObjectStore, training: Training) -> DataManifest:
    """
    Read the manifest in the results of *training*.

    :raises ObjectNotFound: it has none.
    :raises StoreError: it cannot be read.
    """
    location = results_location(training)
    if location is None:
        raise ObjectNotFound(f"Training {training.id} ({training.state}) has left no results, so no list of its data")
    data = training.status.data
    name = (data.manifest if data is not None else None) or f"{location.model_location}/{MANIFEST_BASENAME}"
    try:
        size = store.get_layout(location.container, name).size
        content = store.read_range(location.container, name, 0, size) if size else b""
    except ObjectNotFound as error:
        raise ObjectNotFound(
            f"Training {training.id} has no list of its data: container {location.container!r} has no {name!r}. A "
            "service of an earlier release stored none"
        ) from error
    try:
        return DataManifest.model_validate_json(content, extra="ignore")
    except ValidationError:
        raise StoreError(f"{name!r} in container {location.container!r} is no list of training data") from None


def compare_sources(before: DataManifest, after: DataManifest) -> tuple[SourceComparison, ...]:
    """Compare the sources of two trainings, in the order of their definitions."""
    return tuple(
        SourceComparison(
            first.source if first is not None else None,
            second.source if second is not None else None,
            differences(first, second) if first is not None and second is not None else NO_DIFFERENCES,
        )
        for first, second in zip_longest(before.sources, after.sources)
    )


def present_source(
    listing: Iterable[StoredObject], container: str, prefix: str, store_type: StoreType
) -> SourceManifest:
    """
    Return the manifest of the data that a training would have now of the folder *prefix* of *container*.

    :param listing: the listing of the folder.
    :raises NothingSelected: there is no data.
    :raises StoreError: the store has no digest for an object.
    """
    selected = select_data(list(listing), DataContainerRef(container=container, type=store_type, prefix=prefix or None))
    if not selected.objects:
        below = f" under {selected.folder!r}" if selected.folder else ""
        raise NothingSelected(f"There is no data in container {container!r}{below}")
    if missing := next((one.name for one in selected.objects if not one.digest), None):
        raise StoreError(f"The object store has no digest of {missing!r}, so this data can have no version")
    return make_manifest(selected.files, DataSourceReport(name=container, type=store_type, prefix=prefix or None))


def make_manifest(objects: Iterable[ManifestObject], source: DataSourceReport) -> SourceManifest:
    """Return the manifest of a version: *source* with the version that *objects* are, without what one training did."""
    ordered = tuple(sorted(objects, key=lambda one: one.name))
    report = DataSourceReport(
        name=source.name,
        type=source.type,
        prefix=source.prefix,
        version=version_of(ordered),
        files=len(ordered),
        bytes=sum(one.size for one in ordered),
    )
    return SourceManifest(source=report, objects=ordered)


def source_of_training(manifest: DataManifest, container: str, prefix: str | None) -> SourceManifest:
    """
    Return the source of a training that is *container*.

    :param prefix: which one, if the training has several sources of this container; None for any.
    :raises InvalidArgument: there is none, or there are several, or one of its objects has no digest.
    """
    found = [
        one
        for one in manifest.sources
        if one.source.type is not StoreType.MOUNT
        and one.source.name == container
        and (prefix is None or (one.source.prefix or "").rstrip("/") == prefix.rstrip("/"))
    ]
    if len(found) != 1:
        problem = "has no data of" if not found else "has several sources of"
        raise InvalidArgument(
            f"Training {manifest.training_id} {problem} container {container!r}: name one by --prefix"
        )
    if found[0].source.version is None:
        raise InvalidArgument(f"The data that training {manifest.training_id} read of {container!r} has no version")
    return make_manifest(found[0].objects, found[0].source)


def store_version(store: ObjectStore, manifest: SourceManifest) -> str:
    """Store *manifest* in its container, where definitions find it by its version; return the version."""
    version = manifest.source.version or version_of(manifest.objects)
    content = manifest.model_dump_json(exclude_none=True).encode()
    store.put(manifest.source.name, version_object_name(version), content, content_type="application/json")
    return version
