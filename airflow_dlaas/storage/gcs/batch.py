"""Deletions of many objects in one request (a batch of the JSON API). No I/O."""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus

from airflow_dlaas.exceptions import StoreError, StoreUnreachable
from airflow_dlaas.storage.gcs import targets
from airflow_dlaas.storage.gcs.errors import RETRYABLE_STATUSES

MAX_BATCH = 100
"""Requests in one batch, by the API's documentation."""

MAX_ERRORS = 5
"""Objects that an error names."""

_BOUNDARY = re.compile(r'boundary="?([^";]+)')
_STATUS = re.compile(rb"^HTTP/1\.[01] (\d{3})", re.MULTILINE)


def deletions(container: str, names: Sequence[str], boundary: str) -> bytes:
    """Return the body of a batch that deletes *names*."""
    parts = [
        f"--{boundary}\r\nContent-Type: application/http\r\nContent-ID: <{number}>\r\n\r\n"
        f"DELETE {targets.stored_object(container, name)} HTTP/1.1\r\n\r\n"
        for number, name in enumerate(names)
    ]
    return ("".join(parts) + f"--{boundary}--\r\n").encode()


def parse_statuses(content_type: str, body: bytes) -> Sequence[int]:
    """
    Return the status of each request of a batch, in their order.

    :raises ValueError: it is no response to a batch.
    """
    boundary = _BOUNDARY.search(content_type)
    if boundary is None:
        raise ValueError("no boundary")
    parts = body.split(f"--{boundary[1]}".encode())
    return [int(status[1]) for part in parts if (status := _STATUS.search(part))]


def require_deleted(container: str, names: Sequence[str], statuses: Sequence[int]) -> None:
    """
    Check that each of *names* was deleted, or did not exist.

    :raises ValueError: there are more or fewer *statuses* than names.
    :raises StoreUnreachable: the store failed to delete objects; a retry can help.
    :raises StoreError: the store refused to delete objects.
    """
    pairs = list(zip(names, statuses, strict=True))
    failed = [(name, status) for name, status in pairs if status >= 300 and status != HTTPStatus.NOT_FOUND]
    if not failed:
        return
    is_transient = all(status >= 500 or status in RETRYABLE_STATUSES for _, status in failed)
    kind = StoreUnreachable if is_transient else StoreError
    shown = ", ".join(f"{name} ({status})" for name, status in failed[:MAX_ERRORS])
    more = f", and {len(failed) - MAX_ERRORS} more" if len(failed) > MAX_ERRORS else ""
    raise kind(f"These objects of {container} were not deleted: {shown}{more}")
