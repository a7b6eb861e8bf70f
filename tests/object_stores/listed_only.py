"""
Rows in the listing of a container of the embedded Swift: many objects in one transaction, without content.

``python -m tests.object_stores.listed_only FOLDER CONTAINER NUMBER`` adds them. It is a program of its own, because
importing Swift replaces parts of the standard library.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from pathlib import Path

from airflow_dlaas.service.objectstore.embedded import EmbeddedSwift

ONE_BYTE = hashlib.md5(b"x", usedforsecurity=False).hexdigest()


def list_in_swift(running: EmbeddedSwift, container: str, number: int) -> None:
    """Add *number* objects of one byte to the listing of *container*, named by numbers of five digits."""
    folder = str(running._folders.devices)
    command = [sys.executable, "-W", "ignore", "-m", "tests.object_stores.listed_only", folder, container, str(number)]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[2], timeout=120)


def main(folder: Path, container: str, number: int) -> None:
    from swift.common.utils import Timestamp
    from swift.container.backend import ContainerBroker

    brokers = (ContainerBroker(str(one)) for one in folder.glob("*/containers/*/*/*/*.db"))
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


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
