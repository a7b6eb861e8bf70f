"""
Adds late entries to the listings of containers: a filter of the object server that passes every request on.

If the container server does not answer while an object is stored or deleted, the object server writes the change of the
listing into a folder. Swift has a daemon that sends such changes later; here the object server does it. Without it, the
object would be missing in the listing, or remain there, for ever.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from eventlet import sleep, spawn
from swift.obj.diskfile import ASYNCDIR_BASE
from swift.obj.updater import ObjectUpdater

from airflow_dlaas.service.objectstore.swift_config import DEVICE_NAME

CHECK_INTERVAL = 5.0
"""Seconds between two looks into the folder: one system call while it is empty."""

WsgiApp = Callable[[dict[str, Any], Any], Iterable[bytes]]


def send_late_updates(updater: ObjectUpdater) -> None:
    """Send the changes that are waiting, now and at each interval; never return."""
    device = Path(updater.devices, DEVICE_NAME)
    while True:
        if has_entries(device / ASYNCDIR_BASE):
            updater.begin = time.time()
            updater.object_sweep(str(device))
        sleep(CHECK_INTERVAL)


def has_entries(folder: Path) -> bool:
    """Return whether *folder* exists and is not empty."""
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is not None
    except FileNotFoundError:
        return False


def filter_factory(global_conf: Mapping[str, str], **local_conf: str) -> Callable[[WsgiApp], WsgiApp]:
    """Return the filter for its section of the configuration file. PasteDeploy calls this in the object server."""

    def wrap(app: WsgiApp) -> WsgiApp:
        spawn(send_late_updates, ObjectUpdater({**global_conf, **local_conf}))
        return app

    return wrap
