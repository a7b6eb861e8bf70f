"""The layout of one object: its size, its ETag and its segments."""

from __future__ import annotations

import json
from urllib.parse import unquote

from swiftclient import client as swiftclient

from airflow_dlaas.exceptions import Corrupted
from airflow_dlaas.storage.object_store import ObjectLayout
from airflow_dlaas.storage.swift.errors import translate_parse_errors
from airflow_dlaas.storage.swift.responses import is_static_large_object, normalize_etag, parse_segments
from airflow_dlaas.storage.swift.session import SwiftSession


def read_layout(session: SwiftSession, container: str, name: str) -> ObjectLayout:
    """
    Read an object's size and ETag, and its manifest if it has one; one attempt.

    :raises Corrupted: the object was replaced between the two requests.
    """
    headers = session.call_once(swiftclient.head_object, container, name)
    etag, size = headers.get("etag", ""), int(headers.get("content-length", 0))
    if dlo_manifest := headers.get("x-object-manifest"):
        # The segments of a dynamic large object are all objects with this prefix at the moment. It has no ETag to
        # require: Swift compares that of the empty manifest.
        segment_container, _, prefix = unquote(dlo_manifest).partition("/")
        _, segments = session.call_once(swiftclient.get_container, segment_container, prefix=prefix, full_listing=True)
        named = ({**one, "name": f"{segment_container}/{one['name']}"} for one in segments)
        return ObjectLayout(size, "", None, tuple(parse_segments(named)))
    if not is_static_large_object(headers):
        with translate_parse_errors(session.auth_url):
            return ObjectLayout(size, etag, normalize_etag(headers["etag"]))
    manifest_headers, manifest = session.call_once(
        swiftclient.get_object, container, name, query_string="multipart-manifest=get&format=json"
    )
    if not is_static_large_object(manifest_headers):
        raise Corrupted(f"{container}/{name} was replaced while its manifest was read")
    with translate_parse_errors(session.auth_url):
        return ObjectLayout(size, etag, None, tuple(parse_segments(json.loads(manifest))))
