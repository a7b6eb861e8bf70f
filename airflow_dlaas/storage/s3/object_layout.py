"""The layout of one object: its size, its ETag and, if a server has them, the sizes of its parts."""

from __future__ import annotations

from airflow_dlaas.exceptions import Corrupted
from airflow_dlaas.storage.http.errors import HttpResponseError
from airflow_dlaas.storage.object_store import ObjectLayout, Part
from airflow_dlaas.storage.s3.errors import translate_parse_errors
from airflow_dlaas.storage.s3.requests import head_object
from airflow_dlaas.storage.s3.responses import has_other_etag, is_md5, normalize_etag, part_count
from airflow_dlaas.storage.s3.session import Headers, S3Session
from airflow_dlaas.storage.segments import split_ranges

_NO_PARTS_STATUSES = {400, 405, 416, 501}
"""Statuses of a server that does not know the parts of an object that is complete, or of this one."""

MAX_PART_REQUESTS = 1000
"""The most parts whose sizes are requested one by one."""


def read_layout(session: S3Session, container: str, name: str, *, exact: bool = False) -> ObjectLayout:
    """
    Read an object's size and ETag, and the sizes of its parts if it was uploaded in parts; one attempt.

    The ETag of such an object is made of the MD5s of its parts, so their sizes are needed to verify the content. If the
    first and the last part have the sizes that equal parts would have, all do, unless *exact*.

    :raises Corrupted: the object was replaced between the requests.
    """
    headers, _ = session.send(head_object(container, name))
    with translate_parse_errors(session.keys):
        size, etag = int(headers["content-length"]), normalize_etag(headers.get("etag", ""))
    if has_other_etag(headers):
        return ObjectLayout(size, etag, None)
    if not part_count(etag):
        return ObjectLayout(size, etag, etag if is_md5(etag) else None)
    return ObjectLayout(size, etag, None, read_parts(session, container, name, size, etag, exact=exact))


def read_parts(
    session: S3Session, container: str, name: str, size: int, etag: str, *, exact: bool = False
) -> tuple[Part, ...]:
    """Return the parts of the object with the ETag *etag*, without their MD5s; none if the server has no sizes."""
    count = part_count(etag)
    if count == 1:
        return (Part(0, size),)
    first = _part_size(session, container, name, 1, etag)
    if not first or first > size:
        return ()
    if not exact and first * (count - 1) < size <= first * count:
        last = _part_size(session, container, name, count, etag)
        if first * (count - 1) + last == size:
            return tuple(split_ranges(size, first))
    if count > MAX_PART_REQUESTS:
        return ()
    sizes = [first, *(_part_size(session, container, name, number, etag) for number in range(2, count + 1))]
    starts = [sum(sizes[:number]) for number in range(count)]
    return tuple(map(Part, starts, sizes)) if sum(sizes) == size and all(sizes) else ()


def _part_size(session: S3Session, container: str, name: str, number: int, etag: str) -> int:
    """Return the bytes of a part; 0 if the server does not know parts."""
    try:
        headers: Headers = session.send(head_object(container, name, number))[0]
    except HttpResponseError as error:
        if error.status in _NO_PARTS_STATUSES:
            return 0
        raise
    found = normalize_etag(headers.get("etag", ""))
    if found != etag and not is_md5(found):  # some servers send that of the part
        raise Corrupted(f"{container}/{name} was replaced while the sizes of its parts were read")
    if headers.get("x-amz-mp-parts-count", "0") != str(part_count(etag)):
        return 0
    with translate_parse_errors(session.keys):
        return int(headers["content-length"])
