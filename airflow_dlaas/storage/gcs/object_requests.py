"""Listings and deletions, for the store and for uploads in parts."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Any

from airflow_dlaas.exceptions import ObjectNotFound, StoreError
from airflow_dlaas.storage.body import BytesBody
from airflow_dlaas.storage.gcs import batch, targets
from airflow_dlaas.storage.gcs.auth import AuthToken
from airflow_dlaas.storage.gcs.errors import translate_parse_errors
from airflow_dlaas.storage.gcs.responses import parse_page
from airflow_dlaas.storage.gcs.session import GcsSession
from airflow_dlaas.storage.http.errors import HttpResponseError
from airflow_dlaas.storage.object_store import StoredObject

LISTING_FIELDS = f"items({targets.OBJECT_FIELDS}),prefixes,nextPageToken"

PAGE_SIZE = 1000
"""Objects on a page of a listing, the most that the API permits."""


def list_pages(session: GcsSession, container: str, prefix: str, **query: str) -> Iterator[Mapping[str, Any]]:
    """
    Yield the pages of a listing as the store sends them, each requested when it is needed.

    :param query: further parameters of the request: ``delimiter``, ``maxResults``.
    """
    token = ""
    while True:
        page_query = {"fields": LISTING_FIELDS, "maxResults": str(PAGE_SIZE)} | query
        page_query |= ({"prefix": prefix} if prefix else {}) | ({"pageToken": token} if token else {})
        page = session.call(f"Listing bucket {container}", "GET", targets.objects(container, **page_query), container)
        yield page
        next_token = str(page.get("nextPageToken") or "")
        if not next_token:
            return
        if next_token == token:
            raise StoreError(f"The object store at {session.url} lists {container} without end")
        token = next_token


def list_entries(session: GcsSession, container: str, prefix: str, **query: str) -> Iterator[StoredObject | str]:
    """Yield objects and (with a ``delimiter``) the names of subfolders, by name; temporary objects, too."""
    for page in list_pages(session, container, prefix, **query):
        with translate_parse_errors(session.url):
            entries = parse_page(page)
        yield from entries


def list_all(session: GcsSession, container: str, prefix: str) -> Iterator[StoredObject]:
    """Yield all objects whose names begin with *prefix*, temporary ones, too."""
    return (one for one in list_entries(session, container, prefix) if isinstance(one, StoredObject))


def delete_objects(session: GcsSession, container: str, names: Sequence[str]) -> None:
    """Delete objects; a missing object is no error."""
    if len(names) == 1:
        with suppress(ObjectNotFound):
            target = targets.stored_object(container, names[0])
            session.call(f"Deleting {container}/{names[0]}", "DELETE", target, container, names[0])
        return
    for start in range(0, len(names), batch.MAX_BATCH):
        some = names[start : start + batch.MAX_BATCH]
        attempt = partial(_delete_batch, session, container, some)
        session.run(attempt, container, what=f"Deleting {len(some)} objects of {container}")


def _delete_batch(session: GcsSession, container: str, names: Sequence[str], token: AuthToken) -> None:
    boundary = secrets.token_hex(16)
    headers = {"Content-Type": f"multipart/mixed; boundary={boundary}"}
    body = BytesBody(batch.deletions(container, names, boundary))
    answer_headers, answer = session.send("POST", targets.BATCH, token, headers=headers, body=body)
    with translate_parse_errors(session.url):
        statuses = batch.parse_statuses(answer_headers.get("Content-Type", ""), answer)
        if len(statuses) != len(names):
            raise ValueError(f"{len(statuses)} statuses")
    if HTTPStatus.UNAUTHORIZED in statuses:  # of the requests inside, which have the token of the batch
        raise HttpResponseError("DELETE", session.url, HTTPStatus.UNAUTHORIZED, "Unauthorized", answer_headers, b"")
    batch.require_deleted(container, names, statuses)
