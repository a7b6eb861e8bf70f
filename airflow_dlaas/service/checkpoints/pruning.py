"""Deletes the stored objects of checkpoints that are no longer needed."""

from __future__ import annotations

from airflow_dlaas.contract.results import checkpoints_folder
from airflow_dlaas.service.checkpoints.retention import CheckpointId, kept_checkpoints, plan_deletions
from airflow_dlaas.service.checkpoints.stored_checkpoints import StoredCheckpoints
from airflow_dlaas.service.checkpoints.stored_entries import CheckpointTarget
from airflow_dlaas.storage.object_store import ObjectStore
from airflow_dlaas.storage.transfer.api import delete_objects


def prune(
    store: ObjectStore, target: CheckpointTarget, stored: StoredCheckpoints, superseded: CheckpointId | None = None
) -> None:
    """
    Delete what the newest checkpoints do not need; update *stored*.

    :param superseded: a checkpoint whose state a newer one has, too: it does not count.
    :raises StoreError: the store cannot be reached, or refuses.
    """
    container = target.container
    kept = kept_checkpoints((one for one in stored.manifests if one != superseded), target.kept)
    needed = {one: names for one in kept if (names := stored.manifests[one]) is not None}
    if len(needed) < len(kept):
        return  # a manifest that could not be read may need any of them
    deletions = plan_deletions(target.training_id, target.attempt, needed, stored.manifests, stored.names)
    if deletions.manifests:
        delete_objects(store, container, names=deletions.manifests)
        for one in [one for one in stored.manifests if one not in needed and one[0] <= target.attempt]:
            del stored.manifests[one]
    if deletions.contents:
        delete_objects(store, container, names=deletions.contents)
        stored.remove_contents(deletions.contents)


def delete_abandoned_uploads(store: ObjectStore, target: CheckpointTarget, stored: StoredCheckpoints) -> None:
    """
    Delete the parts of contents that were never stored completely: the command has written the file meanwhile, or the
    learner was lost.

    :raises StoreError: the store cannot be reached, or refuses.
    """
    prefix = f"{checkpoints_folder(target.training_id)}/"
    own = tuple(f"{prefix}{attempt}/" for attempt in range(1, target.attempt + 1))
    store.delete_abandoned(target.container, prefix, lambda name: name.startswith(own) and name not in stored.names)
