"""Copies of objects inside the store: small ones with one request, large ones in parts."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial

from airflow_dlaas.exceptions import ObjectNotFound, StoreError
from airflow_dlaas.storage.object_store import Part, RunAll
from airflow_dlaas.storage.s3 import requests
from airflow_dlaas.storage.s3.account import S3Account
from airflow_dlaas.storage.s3.parts_upload import S3PartsUpload
from airflow_dlaas.storage.segments import MIB, split_ranges

logger = logging.getLogger(__name__)

MAX_SERVER_COPY_SIZE = 512 * MIB
"""Bytes that a store copies within the read timeout: some servers send nothing before the copy is complete."""

ContainerAndName = tuple[str, str]


def copy_object(account: S3Account, source: ContainerAndName, target: ContainerAndName, run: RunAll | None) -> bool:
    """See `ObjectStore.copy`."""
    try:
        layout = account.get_layout(*source)
    except ObjectNotFound:
        account.check(source[0])  # a missing container gives the same response
        raise
    # Parts of the same sizes give the copy the same ETag, which identifies its content.
    if layout.parts and all(one.size <= MAX_SERVER_COPY_SIZE for one in layout.parts):
        _copy_parts(account, layout.etag, layout.parts, (source, target), run)
        return True
    if layout.size <= MAX_SERVER_COPY_SIZE:
        send = partial(account.session.send_checked, requests.copy_object(*source, *target))
        what = "Copying {}/{} to {}/{}".format(*source, *target)
        account.session.run(send, target[0], what=what)  # the source was there, so NoSuchBucket is about the target
        return True
    if not layout.etag:
        return False
    parts = tuple(split_ranges(layout.size, MAX_SERVER_COPY_SIZE))
    _copy_parts(account, layout.etag, parts, (source, target), run)
    return True


def _copy_parts(
    account: S3Account,
    etag: str,
    parts: Sequence[Part],
    names: tuple[ContainerAndName, ContainerAndName],
    run: RunAll | None,
) -> None:
    source, target = names
    upload = S3PartsUpload(account, *target, size=None, part_size=MAX_SERVER_COPY_SIZE)
    upload.begin()

    def discard() -> None:
        try:
            upload.discard()
        except StoreError as error:
            logger.warning(
                "Deleting the parts of the failed copy %s/%s failed (%s); the next upload of a large file to this name "
                "deletes them",
                *target,
                error,
            )

    copies = [partial(upload.copy_part, number, source, one, etag) for number, one in enumerate(parts)]
    with ExitStack() as undo:
        undo.callback(discard)
        if run is not None:
            run(copies)
        else:
            for one in copies:
                one()
        upload.complete()
        undo.pop_all()
