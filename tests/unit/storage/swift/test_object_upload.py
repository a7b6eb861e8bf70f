"""One attempt to upload an object."""

from __future__ import annotations

from collections.abc import Iterator
from email.message import Message
from types import SimpleNamespace
from typing import Any

import pytest
from swiftclient.exceptions import ClientException

from airflow_dlaas.storage.body import md5_of
from airflow_dlaas.storage.swift.auth import AuthToken
from airflow_dlaas.storage.swift.object_upload import ObjectUpload

CONTENT = b"content"
MD5 = md5_of(CONTENT)


class CountedBody:
    """A body that counts how often it is read."""

    size = len(CONTENT)

    def __init__(self) -> None:
        self.reads = 0

    def chunks(self) -> Iterator[bytes]:
        self.reads += 1
        yield CONTENT


class ScriptedPool:
    """Answers each PUT with the next status, and does not read the body."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.etags: list[str] = []

    def put(self, _token: AuthToken, _path: str, headers: dict[str, str], *_: Any) -> tuple[Message, bytes]:
        self.etags.append(headers["ETag"])
        status = self.statuses.pop(0)
        if status >= 300:
            raise ClientException("PUT failed", http_status=status)
        response_headers = Message()
        response_headers["ETag"] = MD5
        return response_headers, b""


@pytest.mark.parametrize(("status", "reads"), [(401, 1), (503, 2)])
def test_source_is_read_again_after_a_failure_but_not_for_a_new_token(status: int, reads: int) -> None:
    body, pool = CountedBody(), ScriptedPool(status, 201)
    session: Any = SimpleNamespace(http_pool=pool)
    upload = ObjectUpload(session, "c", "a", body)
    token = AuthToken("http://store/v1/a", "t")
    with pytest.raises(ClientException):
        upload.send(token)
    assert upload.send(token) == MD5
    assert (body.reads, pool.etags) == (reads, [MD5, MD5])
