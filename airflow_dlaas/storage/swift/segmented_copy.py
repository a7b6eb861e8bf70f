"""Copies of objects inside the store."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from functools import partial

from airflow_dlaas.exceptions import StoreError
from airflow_dlaas.storage.object_store import ObjectLayout, RunAll
from airflow_dlaas.storage.segments import MIB
from airflow_dlaas.storage.swift.account import SwiftAccount
from airflow_dlaas.storage.swift.segment_cleanup import replacing
from airflow_dlaas.storage.swift.segments_upload import SegmentsUpload

logger = logging.getLogger(__name__)

MAX_SERVER_COPY_SIZE = 512 * MIB
"""Bytes that Swift copies within the read timeout; it sends nothing before the copy is complete."""

ContainerAndName = tuple[str, str]


def copy_object(account: SwiftAccount, source: ContainerAndName, target: ContainerAndName, run: RunAll | None) -> bool:
    """See `ObjectStore.copy`."""
    layout = account.get_layout(*source)
    if not layout.parts and layout.size <= MAX_SERVER_COPY_SIZE:
        with replacing(account, *target, None):
            account.copy_whole(*source, *target)
        return True
    if layout.parts and all(part.segment and part.md5 and part.size <= MAX_SERVER_COPY_SIZE for part in layout.parts):
        _copy_segments(account, layout, target, run)
        return True
    return False


def _copy_segments(account: SwiftAccount, layout: ObjectLayout, target: ContainerAndName, run: RunAll | None) -> None:
    upload = SegmentsUpload(account, *target, size=layout.size, part_size=layout.parts[0].size, is_new=False)
    upload.begin_copy()

    def discard() -> None:
        try:
            upload.discard()
        except StoreError as error:
            logger.warning(
                "Deleting the segments of the failed copy %s/%s failed (%s); the next upload of a large file to this "
                "name deletes them",
                *target,
                error,
            )

    copies = [partial(upload.copy_segment, number, part) for number, part in enumerate(layout.parts)]
    with ExitStack() as undo:
        undo.callback(discard)
        if run is not None:
            run(copies)
        else:
            for one in copies:
                one()
        upload.complete()
        undo.pop_all()
