"""Stores the marker of a training's results, so that later trainings do not load them as data."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from airflow_dlaas.contract.results import marker_content, marker_name
from airflow_dlaas.exceptions import ContainerNotFound, StoreError, StoreRefused

if TYPE_CHECKING:
    from airflow_dlaas.storage.object_store import ObjectStore


def store_marker(store: ObjectStore, container: str, training_id: str, logger: logging.Logger) -> None:
    """
    Store the marker of the training's results. Call it before the first result is stored, so that an interrupted upload
    is marked too. Safe to repeat.

    If the store refuses the marker, the results are stored nevertheless, and ``store-results.log`` has the reason.

    :raises StoreError: the store cannot be reached, refuses the credentials, or has no such container.
    """
    name = marker_name(training_id)
    try:
        store.put(container, name, marker_content(training_id), content_type="application/json")
    except (StoreRefused, ContainerNotFound):
        raise
    except StoreError as error:
        if error.transient:
            raise
        logger.warning(
            "The marker %s could not be stored (%s); later trainings may load these results as data", name, error
        )
