"""Deletes the results of earlier attempts of a training from its results container."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING

from airflow_dlaas.contract.results import CHECKPOINTS_FOLDER, attempt_folder, marker_name

if TYPE_CHECKING:
    from airflow_dlaas.storage.object_store import ObjectStore

_ATTEMPT_FOLDER = re.compile(r"attempt-([0-9]{1,4})/.*", re.DOTALL)


def earlier_results(
    names: Iterable[str], training_id: str, attempt: int, *, needed: Collection[str] = ()
) -> Iterator[str]:
    """
    Yield those of *names* that are results of attempts before *attempt*.

    The marker and the objects of checkpoints are no results. Results of a later attempt stay: this one may be lost, and
    run on nevertheless.

    :param needed: objects that stay, because a checkpoint consists of them.
    """
    own, root = f"{attempt_folder(training_id, attempt)}/", f"{training_id}/"
    for name in names:
        if not name.startswith(root) or name.startswith((own, f"{root}{CHECKPOINTS_FOLDER}/")):
            continue
        folder = _ATTEMPT_FOLDER.fullmatch(name.removeprefix(root))
        is_later = folder is not None and int(folder[1]) > attempt
        if not is_later and name != marker_name(training_id) and name not in needed:
            yield name


def delete_earlier_results(
    store: ObjectStore, container: str, training_id: str, attempt: int, logger: logging.Logger
) -> None:
    """
    Delete the results of the attempts before *attempt*, except objects of which stored checkpoints consist.

    :raises StoreError: the store cannot be reached, or refuses a request.
    """
    from airflow_dlaas.service.checkpoints.find import find_checkpoints
    from airflow_dlaas.storage.transfer.deletion import delete_stored_objects

    checkpoints = find_checkpoints(store, container, training_id, logger)
    needed = {entry.object_name for one in checkpoints for entry in one.entries if entry.object_name is not None}
    stored = {one.name: one for one in store.list_objects(container, f"{training_id}/")}
    deleted = [stored[name] for name in earlier_results(stored, training_id, attempt, needed=needed)]
    if deleted:
        delete_stored_objects(store, container, deleted)
        logger.info("Deleted %d objects with results of earlier attempts", len(deleted))
