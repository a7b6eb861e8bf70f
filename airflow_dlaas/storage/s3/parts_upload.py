"""The upload of one object in parts (a multipart upload of S3); it resumes an interrupted one."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial

from airflow_dlaas.exceptions import Corrupted, StoreError
from airflow_dlaas.storage.body import Body, hashing_body, md5_of
from airflow_dlaas.storage.http.errors import HttpResponseError
from airflow_dlaas.storage.object_store import BytesCallback, Part, StoredPart
from airflow_dlaas.storage.s3 import requests
from airflow_dlaas.storage.s3.account import S3Account
from airflow_dlaas.storage.s3.errors import DAMAGED_CODES, GONE_CODES, NO_SUCH_UPLOAD, translate_parse_errors
from airflow_dlaas.storage.s3.object_upload import require_stored_md5
from airflow_dlaas.storage.s3.responses import (
    UploadedPart,
    has_other_etag,
    is_md5,
    normalize_etag,
    parse_error,
    parse_parts_page,
    parse_result_etag,
    parse_upload_id,
)
from airflow_dlaas.storage.segments import multipart_etag


class S3PartsUpload:
    """
    A `PartsUpload` of S3.

    An interrupted upload of this name is resumed, if all its parts have the sizes of this one. When the object is
    complete, the other uploads of its name that were found at the begin are deleted. The type of the content is that
    which the server chooses: it would have to be known at the begin.
    """

    def __init__(self, account: S3Account, container: str, name: str, *, size: int | None, part_size: int) -> None:
        self._account = account
        self._session = account.session
        self._container, self._name = container, name
        self._size, self._part_size = size, part_size
        self._lock = threading.Lock()
        self._upload_id = ""
        self._others: list[str] = []
        self._stored: dict[int, StoredPart] = {}
        self._etags: dict[int, str] = {}
        self._sends_md5 = False
        self._was_requested = False

    def begin(self) -> None:
        """Find the upload to resume; begin a new one without it."""
        self._others = self._list_ids()
        found: list[UploadedPart] = []
        for upload_id in self._others if self._size is not None else ():
            parts = self._list_parts(upload_id)
            if len(parts) > len(found) and all(map(self._fits, parts)):
                self._upload_id, found = upload_id, parts
        self._stored = {one.number - 1: StoredPart(one.size, one.etag) for one in found if is_md5(one.etag)}
        if self._upload_id:
            self._others.remove(self._upload_id)
        else:
            what = f"Beginning the upload of {self._container}/{self._name} in parts"
            self._session.run(self._create_once, self._container, what=what)

    def stored_parts(self, number: int) -> Sequence[StoredPart]:
        stored = self._stored.get(number)
        return [stored] if stored else []

    def reuse_part(self, number: int, part: StoredPart) -> None:
        self._add_part(number, part.md5)

    def put_part(self, number: int, body: Body, *, on_progress: BytesCallback | None = None) -> str:
        what = f"Uploading part {number + 1} of {self._container}/{self._name}"
        return self._session.run(partial(self._put_once, number, body, on_progress), self._container, what=what)

    def copy_part(self, number: int, source: tuple[str, str], content: Part, etag: str) -> None:
        """
        Copy *content* of the object *source* with the ETag *etag*, instead of sending a part.

        :raises StoreError: the object was replaced.
        """
        upload_part = requests.upload_part(self._container, self._name, self._upload_id, number + 1, None)
        request = requests.copy_part(upload_part, source, content, etag)
        what = f"Copying part {number + 1} of {self._container}/{self._name}"
        body = self._session.run(partial(self._session.send_checked, request), *source, what=what)
        with translate_parse_errors(self._session.keys):
            part_etag = parse_result_etag(body)
        self._add_part(number, part_etag)

    def complete(self, *, content_type: str | None = None) -> None:  # noqa: ARG002  (S3 has it at the begin)
        what = f"Completing the upload of {self._container}/{self._name}"
        self._session.run(self._complete_once, self._container, what=what)
        for upload_id in self._others:
            self._account.abort_upload(self._container, self._name, upload_id)

    def discard(self) -> None:
        self._account.abort_upload(self._container, self._name, self._upload_id)

    def _fits(self, part: UploadedPart) -> bool:
        start = (part.number - 1) * self._part_size
        return part.size == min(self._part_size, (self._size or 0) - start)

    def _list_ids(self) -> list[str]:
        uploads = self._account.list_uploads(self._container, self._name)
        return [upload_id for name, upload_id in uploads if name == self._name]

    def _create_once(self) -> None:
        # If the response to an attempt before was lost, its upload is there: another one would remain without an owner.
        created = [one for one in self._list_ids() if one not in self._others] if self._was_requested else []
        if created:
            self._upload_id = created[0]
            return
        self._was_requested = True
        headers, body = self._session.send(requests.create_upload(self._container, self._name))
        with translate_parse_errors(self._session.keys):
            self._upload_id = parse_upload_id(body)
        self._sends_md5 = has_other_etag(headers)

    def _list_parts(self, upload_id: str) -> list[UploadedPart]:
        """Return the parts of an upload; none if it is gone."""
        parts: list[UploadedPart] = []
        marker = 0
        while True:
            attempt = partial(self._list_parts_once, upload_id, marker)
            what = f"Listing the parts of an upload of {self._container}/{self._name}"
            body = self._session.run(attempt, self._container, what=what)
            if body is None:
                return []
            with translate_parse_errors(self._session.keys):
                page, marker = parse_parts_page(body)
            parts += page
            if not marker:
                return parts

    def _list_parts_once(self, upload_id: str, marker: int) -> bytes | None:
        try:
            return self._session.fetch(requests.list_parts(self._container, self._name, upload_id, marker))
        except HttpResponseError as error:
            if parse_error(error.body).code != NO_SUCH_UPLOAD:
                raise
            return None

    def _put_once(self, number: int, body: Body, on_progress: BytesCallback | None) -> str:
        """
        Send a part; one attempt.

        The MD5 is computed while the part is sent, and compared with the ETag of the response. A server whose ETags are
        no MD5s, by its encryption, gets the MD5 before: then the body is read twice.
        """
        expected = md5_of(body) if self._sends_md5 else ""
        hashing = hashing_body(body)
        request = requests.upload_part(self._container, self._name, self._upload_id, number + 1, expected)
        part_name = f"Part {number + 1} of {self._container}/{self._name}"
        try:
            headers, _ = self._session.send(request, hashing, on_progress)
        except HttpResponseError as error:
            code = parse_error(error.body).code
            if code in DAMAGED_CODES:
                raise Corrupted(f"{part_name} was not stored: its MD5 on arrival differs from that before") from error
            if code == NO_SUCH_UPLOAD:
                raise Corrupted(
                    f"{part_name} was not stored: its upload was completed or deleted. Did another upload write the "
                    "same object at the same time?"
                ) from error
            raise
        if not expected and has_other_etag(headers):
            self._sends_md5 = True
            if on_progress is not None:
                on_progress(-body.size)
            return self._put_once(number, body, on_progress)
        require_stored_md5(part_name, headers, hashing.md5)
        self._add_part(number, normalize_etag(headers.get("etag", "")))
        return hashing.md5

    def _complete_once(self) -> None:
        etags = [etag for _, etag in sorted(self._etags.items())]
        request = requests.complete_upload(self._container, self._name, self._upload_id, etags)
        try:
            body = self._session.send_checked(request)
        except HttpResponseError as error:
            code = parse_error(error.body).code
            if code not in GONE_CODES:
                raise
            if code == NO_SUCH_UPLOAD and self._is_complete(etags):
                return  # the response to the attempt before was lost
            raise Corrupted(
                f"{self._container}/{self._name} was not put together: a part of it is gone or was replaced ({code}). "
                "Did another upload write the same object at the same time?"
            ) from error
        with translate_parse_errors(self._session.keys):
            parse_result_etag(body)

    def _is_complete(self, etags: Sequence[str]) -> bool:
        """Whether the object consists of the parts with *etags*."""
        try:
            stored = self._account.stat(self._container, self._name)
        except StoreError:
            return False
        return all(map(is_md5, etags)) and stored.multipart_etag == multipart_etag(etags)

    def _add_part(self, number: int, etag: str) -> None:
        with self._lock:
            self._etags[number] = etag
