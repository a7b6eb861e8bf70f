"""Finds the checkpoints that a training has stored."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import ValidationError

from airflow_dlaas.contract.results import checkpoints_folder
from airflow_dlaas.exceptions import Corrupted, InvalidName, ObjectNotFound, StoreError
from airflow_dlaas.service.checkpoints.manifest import CheckpointManifest, parse_manifest_name
from airflow_dlaas.service.checkpoints.manifest_checks import DamagedCheckpoint, require_valid_manifest
from airflow_dlaas.storage.object_store import ObjectStore, Part
from airflow_dlaas.storage.store_helpers import read_part

MAX_MANIFEST_SIZE = 256 * 1024**2
"""Bytes of a manifest that is read: a million files."""


@dataclass(frozen=True, slots=True, order=True)
class StoredManifest:
    """The object with a manifest; ordered by age."""

    attempt: int
    number: int
    name: str
    training_id: str
    container: str

    def __str__(self) -> str:
        return f"checkpoint {self.number} of attempt {self.attempt} of training {self.training_id}"


def raise_damage(error: StoreError) -> None:
    """
    Return if *error* is about the store or the access to it, and not about one object of a checkpoint.

    :raises DamagedCheckpoint: the object is missing or damaged, or the store refuses to send it: one of its segments is
        missing, or its name is invalid.
    """
    if isinstance(error, (ObjectNotFound, Corrupted, InvalidName)) or type(error) is StoreError:
        raise DamagedCheckpoint(str(error)) from error


def list_manifests(
    store: ObjectStore, container: str, training_id: str, *, before_attempt: int | None = None
) -> list[StoredManifest]:
    """
    Return the manifests of a training, the newest first.

    :param before_attempt: the attempt before which they were stored; None for all.
    :raises ContainerNotFound: there is no such container.
    :raises StoreError: it cannot be listed.
    """
    found = []
    for one in store.list_objects(container, f"{checkpoints_folder(training_id)}/"):
        numbers = parse_manifest_name(training_id, one.name)
        if numbers is not None and (before_attempt is None or numbers[0] < before_attempt):
            found.append(StoredManifest(*numbers, one.name, training_id, container))
    return sorted(found, reverse=True)


def read_manifest(store: ObjectStore, stored: StoredManifest) -> CheckpointManifest:
    """
    Return the manifest of *stored*, which can be restored if the objects that it names are there.

    :raises DamagedCheckpoint: the object is gone, or is no valid manifest.
    :raises StoreError: the store cannot be reached, or refuses the request.
    """
    try:
        layout = store.get_layout(stored.container, stored.name)
        if layout.size > MAX_MANIFEST_SIZE:
            raise DamagedCheckpoint(f"its manifest is longer than {MAX_MANIFEST_SIZE:,} bytes")
        content = read_part(store, stored.container, stored.name, layout, Part(0, layout.size, layout.md5))
        manifest = CheckpointManifest.model_validate_json(bytes(content))
    except ValidationError as error:
        raise DamagedCheckpoint("its manifest is invalid") from error
    except StoreError as error:
        raise_damage(error)
        raise
    if (manifest.training_id, manifest.attempt, manifest.number) != (
        stored.training_id,
        stored.attempt,
        stored.number,
    ):
        raise DamagedCheckpoint("its manifest is that of another checkpoint")
    require_valid_manifest(manifest)
    return manifest


def find_checkpoints(
    store: ObjectStore, container: str, training_id: str, logger: logging.Logger
) -> Iterator[CheckpointManifest]:
    """
    Yield the checkpoints of a training, the newest first. Damaged manifests are logged and skipped.

    :raises StoreError: the store cannot be reached, or refuses a request.
    """
    for stored in list_manifests(store, container, training_id):
        try:
            yield read_manifest(store, stored)
        except DamagedCheckpoint as error:  # noqa: PERF203  (one manifest must not hide the older ones)
            logger.warning("Skipping %s: %s", stored, error)
