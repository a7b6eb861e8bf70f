"""A site's own TensorBoard, where the connection to the service names one."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from airflow_dlaas.contract.training import Training


def event_log_dir(training: Training) -> str | None:
    """Name the folder below which all of a training's event files lie: TensorBoard's ``--logdir``, in the results."""
    folders = training.status.event_folders
    return posixpath.commonpath(folders) or "." if folders else None


def tensorboard_page_url(template: str | None, training: Training) -> str | None:
    """Give the page of a site's TensorBoard about *training*; None without one, or without event files."""
    folder = event_log_dir(training)
    if template is None or folder is None:
        return None
    return template.replace("{training_id}", quote(training.id)).replace("{folder}", quote(folder))
