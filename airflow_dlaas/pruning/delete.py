"""The deletion of all that a training has stored."""

from __future__ import annotations

from airflow_dlaas.contract.results import is_marker
from airflow_dlaas.contract.store_names import require_prefix
from airflow_dlaas.storage.object_store import ObjectStore
from airflow_dlaas.storage.transfer import api


def delete_folder(store: ObjectStore, container: str, folder: str) -> int:
    """
    Delete all objects in the folder of a training's results, its marker last; return their number.

    So if the deletion breaks off, the rest still counts as results, not as data.

    :param folder: not empty: that would be the whole container.
    """
    prefix = require_prefix(folder)
    if not prefix.strip("/"):
        return 0
    count = len(
        api.delete_objects(
            store, container, prefix=prefix, exclude_filter=lambda names: [one for one in names if is_marker(one)]
        )
    )
    return count + len(api.delete_objects(store, container, prefix=prefix))
