"""Marks the results of a training, so that they are not taken for training data later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_dlaas.contract.results import marker_content, marker_name

if TYPE_CHECKING:
    from airflow_dlaas.storage.objects import ObjectStore


def store_marker(store: ObjectStore, container: str, training_id: str) -> None:
    """
    Store the marker of the training's results. Call it before the first result is stored: if storing breaks off, what
    was stored until then is marked too. Safe to repeat.

    :raises StoreError: the store does not take it.
    """
    store.put(container, marker_name(training_id), marker_content(training_id), content_type="application/json")
