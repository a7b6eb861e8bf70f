"""Rows in the listing of a container of the embedded Swift: many objects in one transaction, without content."""

from __future__ import annotations

import hashlib
import time

from swift.common.utils import Timestamp
from swift.container.backend import ContainerBroker

from airflow_dlaas.service.objectstore.embedded import EmbeddedSwift

ONE_BYTE = hashlib.md5(b"x", usedforsecurity=False).hexdigest()


def list_in_swift(running: EmbeddedSwift, container: str, number: int) -> None:
    """Add *number* objects of one byte to the listing of *container*, named by numbers of five digits."""
    databases = running._folders.devices.glob("*/containers/*/*/*/*.db")
    brokers = (ContainerBroker(str(one)) for one in databases)
    (broker,) = (one for one in brokers if one.get_info()["container"] == container)
    now = time.time()
    broker.merge_items(
        [
            {
                "name": f"{one:05}",
                "created_at": Timestamp(now).internal,
                "size": 1,
                "content_type": "application/octet-stream",
                "etag": ONE_BYTE,
                "deleted": 0,
                "storage_policy_index": 0,
            }
            for one in range(number)
        ]
    )
