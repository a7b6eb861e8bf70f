"""The page of a site's TensorBoard, whose URL the connection to the service has."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from airflow_dlaas.contract.training import Training


def event_log_dir(training: Training) -> str | None:
    """Return the folder of all event files of *training*, in its results: TensorBoard's ``--logdir``. None without."""
    folders = training.status.event_folders
    return posixpath.commonpath(folders) or "." if folders else None


def tensorboard_page_url(template: str | None, training: Training) -> str | None:
    """Return the URL of the TensorBoard page of *training*; None without *template*, or without event files."""
    folder = event_log_dir(training)
    if template is None or folder is None:
        return None
    return template.replace("{training_id}", quote(training.id)).replace("{folder}", quote(folder))
