"""The embedded Swift as its clients see it: objects, authentication, features."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
import swiftclient

from tests.integration.objectstore.conftest import KEY, connected, swift_in


def md5(body: bytes) -> str:
    """Return the checksum by which Swift identifies the content of an object."""
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def test_object_can_be_put_read_listed_and_deleted(client):
    client.put_container("box")
    etag = client.put_object("box", "a/b", b"hello", content_type="text/plain")
    assert etag == md5(b"hello")
    assert client.get_object("box", "a/b")[1] == b"hello"
    assert [entry["name"] for entry in client.get_container("box")[1]] == ["a/b"]
    client.delete_object("box", "a/b")
    assert client.get_container("box")[1] == []
    with pytest.raises(swiftclient.ClientException) as caught:
        client.get_object("box", "a/b")
    assert caught.value.http_status == 404


def test_wrong_key_is_answered_with_401(swift):
    with connected(swift.login, "wrong") as connection, pytest.raises(swiftclient.ClientException) as caught:
        connection.get_account()
    assert caught.value.http_status == 401


def test_account_of_another_user_is_refused(swift, client):
    url, token = client.get_auth()
    other = urlsplit(url).path.replace("AUTH_dlaas", "AUTH_other")
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    connection.request("GET", other, headers={"X-Auth-Token": token})
    assert connection.getresponse().status == 403
    connection.close()


def test_info_lists_large_objects_bulk_operations_and_temporary_urls(swift):
    connection = http.client.HTTPConnection(urlsplit(swift.login.auth_url).netloc, timeout=60)
    connection.request("GET", "/info")
    info = json.load(connection.getresponse())
    connection.close()
    assert {"slo", "bulk_upload", "bulk_delete", "tempurl", "symlink"} <= set(info)
    assert info["swift"]["max_file_size"] >= 5 * 1024**3


def test_segments_are_read_as_one_object(client):
    client.put_container("large")
    parts = [os.urandom(300_000) for _ in range(3)]
    manifest = []
    for number, part in enumerate(parts):
        etag = client.put_object("large", f"part-{number}", part)
        manifest.append({"path": f"/large/part-{number}", "etag": etag, "size_bytes": len(part)})
    client.put_object("large", "whole", json.dumps(manifest), query_string="multipart-manifest=put")
    assert client.get_object("large", "whole")[1] == b"".join(parts)


def test_concurrent_clients_lose_no_object(swift, client):
    client.put_container("crowd")
    bodies = {f"{number:03}": os.urandom(200_000) for number in range(64)}

    def round_trip(name: str) -> bool:
        with connected(swift.login) as connection:
            connection.put_object("crowd", name, bodies[name])
            return connection.get_object("crowd", name)[1] == bodies[name]

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(round_trip, bodies))
    listing = client.get_container("crowd", full_listing=True)[1]
    assert {entry["name"]: entry["hash"] for entry in listing} == {name: md5(body) for name, body in bodies.items()}


def test_body_that_differs_from_its_checksum_is_not_stored(client):
    client.put_container("checked")
    with pytest.raises(swiftclient.ClientException) as caught:
        client.put_object("checked", "x", b"damaged", etag=md5(b"whole"))
    assert caught.value.http_status == 422
    assert client.get_container("checked")[1] == []


def test_data_address_and_tokens_survive_a_restart(tmp_path):
    with swift_in(tmp_path) as first:
        port = urlsplit(first.login.auth_url).port
        with connected(first.login) as connection:
            connection.put_container("kept")
            connection.put_object("kept", "x", b"still here")
            url, token = connection.get_auth()
    with swift_in(tmp_path, port) as second:
        assert second.login.auth_url == first.login.auth_url
        assert swiftclient.get_object(url, token, "kept", "x")[1] == b"still here"


def test_token_of_the_old_key_is_refused_after_the_key_changes(tmp_path):
    with swift_in(tmp_path) as first:
        port = urlsplit(first.login.auth_url).port
        with connected(first.login) as connection:
            url, token = connection.get_auth()
    with swift_in(tmp_path, port, key="another"), pytest.raises(swiftclient.ClientException) as caught:
        swiftclient.head_account(url, token)
    assert caught.value.http_status == 401


def test_key_is_in_one_file_that_only_its_owner_can_read(swift):
    found = [path for path in swift._folders.root.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]
    assert [path.name for path in found] == ["proxy-server.conf"]
    assert found[0].stat().st_mode & 0o077 == 0
    assert KEY not in repr(swift.login)
