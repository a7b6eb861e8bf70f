"""The store for Google Cloud Storage and responses that the emulator does not give."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import google_crc32c
import pytest

from airflow_dlaas._util.retry import NO_RETRY, RetryPolicy
from airflow_dlaas.exceptions import Corrupted, StoreError, StoreRedirected, StoreRefused, StoreUnreachable
from airflow_dlaas.storage.body import BytesBody
from airflow_dlaas.storage.gcs.responses import format_parts, md5_to_base64
from airflow_dlaas.storage.gcs.store import GcsStore
from airflow_dlaas.storage.http.errors import retry_after
from airflow_dlaas.storage.object_store import ObjectLayout, Part
from tests.integration.storage.gcs.scripted_gcs import Response, ScriptedGcs, json_response

AT_ONCE = RetryPolicy(attempts=3, first_pause=0)


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def resource(name: str, content: bytes, **fields: object) -> dict[str, object]:
    return {
        "name": name,
        "size": str(len(content)),
        "generation": "7",
        "updated": "2026-01-01T00:00:00.000Z",
        "md5Hash": md5_to_base64(md5(content)),
        "crc32c": base64.b64encode(google_crc32c.value(content).to_bytes(4, "big")).decode(),
    } | fields


def opened(server: ScriptedGcs, policy: RetryPolicy = NO_RETRY, **fields: str) -> GcsStore:
    return GcsStore.open(server.connection(**fields), retry_policy=policy)


def query(target: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(target).query)


def test_all_pages_of_a_listing_are_requested(scripted: ScriptedGcs) -> None:
    scripted.script = [
        json_response({"items": [resource("a", b"")], "nextPageToken": "one"}),
        json_response({"nextPageToken": "two"}),
        json_response({"items": [resource("b", b"")]}),
    ]
    with opened(scripted) as store:
        assert [one.name for one in store.list_objects("b", "p/")] == ["a", "b"]
    assert [query(one.target).get("pageToken") for one in scripted.requests] == [None, ["one"], ["two"]]
    assert all(query(one.target)["prefix"] == ["p/"] for one in scripted.requests)
    assert "md5Hash" in query(scripted.requests[0].target)["fields"][0]


def test_a_listing_that_does_not_go_on_ends_with_an_error(scripted: ScriptedGcs) -> None:
    scripted.script = [json_response({"nextPageToken": "one"})] * 2
    with opened(scripted) as store, pytest.raises(StoreError, match="without end"):
        list(store.list_objects("b"))


def test_what_is_no_response_of_this_api_is_named(scripted: ScriptedGcs) -> None:
    scripted.script = [(200, {}, b"<html>")]
    with opened(scripted) as store, pytest.raises(StoreError, match="endpoint_url"):
        list(store.list_objects("b"))


def test_a_redirect_is_refused_and_the_token_stays_here(scripted: ScriptedGcs) -> None:
    scripted.script = [(307, {"Location": "http://127.0.0.2:1/storage"}, b"")]
    with opened(scripted, access_token="secret-token") as store, pytest.raises(StoreRedirected) as raised:
        store.check("b")
    assert "secret-token" not in str(raised.value)
    assert len(scripted.requests) == 1


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_temporary_failure_is_repeated(scripted: ScriptedGcs, status: int) -> None:
    scripted.script = [(status, {}, b""), json_response(resource("x", b"abc"))]
    with opened(scripted, AT_ONCE) as store:
        assert store.stat("b", "x").size == 3


def test_the_pause_that_the_store_requests_is_known(scripted: ScriptedGcs) -> None:
    scripted.script = [(429, {"Retry-After": "17"}, b"")]
    with opened(scripted) as store, pytest.raises(StoreUnreachable) as raised:
        store.stat("b", "x")
    assert retry_after(raised.value) == 17


def test_a_fixed_token_is_sent_and_not_repeated_when_it_is_rejected(scripted: ScriptedGcs) -> None:
    scripted.script = [(401, {}, b"")]
    with opened(scripted, AT_ONCE, access_token="secret-token") as store, pytest.raises(StoreRefused) as raised:
        store.stat("b", "x")
    assert [one.authorization for one in scripted.requests] == ["Bearer secret-token"]
    assert "secret-token" not in str(raised.value) + repr(store)


def test_anonymous_requests_have_no_token(scripted: ScriptedGcs) -> None:
    with opened(scripted) as store:
        store.check("b")
    assert scripted.requests[0].authorization is None


def test_a_large_copy_goes_on_until_it_is_done(scripted: ScriptedGcs) -> None:
    scripted.script = [json_response({"done": False, "rewriteToken": "more"}), json_response({"done": True})]
    with opened(scripted) as store:
        assert store.copy("b", "x", "c", "y")
    assert [query(one.target).get("rewriteToken") for one in scripted.requests] == [None, ["more"]]


def composed(content: bytes) -> list[Response]:
    """Responses to a download of an object that was composed of parts of 4 bytes, which has no MD5."""
    parts = [content[start : start + 4] for start in range(0, len(content), 4)]
    metadata = format_parts([len(one) for one in parts], [md5(one) for one in parts])
    return [
        (200, {"x-goog-hash": "crc32c=AAAAAA==", "x-goog-generation": "7"}, content),
        json_response(resource("x", content, metadata=metadata, md5Hash=None)),
    ]


def test_a_composed_object_is_verified_by_the_md5s_of_its_parts(scripted: ScriptedGcs, tmp_path: Path) -> None:
    scripted.script = composed(b"0123456789")
    with opened(scripted) as store:
        assert store.get("b", "x", tmp_path / "file") == 10
    first, second = composed(b"0123456789")
    scripted.script = [(*first[:2], b"0123456x89"), second]
    with opened(scripted) as store, pytest.raises(Corrupted, match="MD5"):
        store.get("b", "x", tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_composed_object_that_is_replaced_meanwhile_is_not_mixed(scripted: ScriptedGcs, tmp_path: Path) -> None:
    first, second = composed(b"0123456789")
    scripted.script = [(first[0], first[1] | {"x-goog-generation": "6"}, first[2]), second]
    with opened(scripted) as store, pytest.raises(Corrupted, match="replaced"):
        store.get("b", "x", tmp_path / "file")


def test_a_download_that_breaks_off_leaves_no_file(scripted: ScriptedGcs, tmp_path: Path) -> None:
    headers = {"x-goog-hash": f"md5={md5_to_base64(md5(b'0123456789'))}", "Content-Length": "10"}
    scripted.script = [(200, headers, b"01234")]
    with opened(scripted) as store, pytest.raises(StoreError):
        store.get("b", "x", tmp_path / "file")
    assert not list(tmp_path.iterdir())


LAYOUT = ObjectLayout(10, "7", None)


def test_a_part_is_resumed_where_it_broke_off_and_only_of_one_generation(scripted: ScriptedGcs) -> None:
    received = bytearray(10)

    def write_at(start: int, chunk: bytes) -> None:
        received[start : start + len(chunk)] = chunk

    scripted.script = [(206, {"Content-Length": "5"}, b"234"), (206, {}, b"56")]
    with opened(scripted, AT_ONCE) as store:
        store.get_part("b", "x", LAYOUT, Part(2, 5, md5(b"23456")), write_at)
    assert received[2:7] == b"23456"
    assert all(query(one.target)["ifGenerationMatch"] == ["7"] for one in scripted.requests)


@pytest.mark.parametrize("response", [(412, {}, b""), (206, {"x-goog-generation": "8"}, b"23456")])
def test_a_part_of_a_replaced_object_is_an_error(scripted: ScriptedGcs, response: Response) -> None:
    scripted.script = [response]
    with opened(scripted, AT_ONCE) as store, pytest.raises(StoreError, match="was replaced"):
        store.get_part("b", "x", LAYOUT, Part(2, 5), lambda _start, _chunk: None)


def test_a_range_after_the_end_is_empty(scripted: ScriptedGcs) -> None:
    scripted.script = [(416, {}, b"")]
    with opened(scripted) as store:
        assert store.read_range("b", "x", 50, 60) == b""


def test_an_object_is_composed_of_exactly_the_parts_that_were_sent(scripted: ScriptedGcs) -> None:
    with opened(scripted) as store:
        scripted.script = [
            json_response({}),
            json_response(resource("p0", b"abc")),
            json_response(resource("p1", b"de")),
        ]
        upload = store.begin_multipart("b", "x", size=5, part_size=3)
        upload.put_part(0, BytesBody(b"abc"))
        upload.put_part(1, BytesBody(b"de"))
        scripted.script = [json_response(resource("x", b"abcde", md5Hash=None)), json_response({})]
        upload.complete()
    content = json.loads(scripted.requests[3].body)
    assert [one["objectPreconditions"] for one in content["sourceObjects"]] == [{"ifGenerationMatch": "7"}] * 2


@pytest.mark.parametrize(
    "response", [(412, {}, b""), (404, {}, b""), json_response(resource("x", b"abcdX", md5Hash=None))]
)
def test_an_object_that_is_not_made_of_its_parts_is_an_error(scripted: ScriptedGcs, response: Response) -> None:
    with opened(scripted) as store:
        scripted.script = [json_response({}), json_response(resource("p0", b"abcde"))]
        upload = store.begin_multipart("b", "x", size=5, part_size=5)
        upload.put_part(0, BytesBody(b"abcde"))
        scripted.script = [response]
        with pytest.raises(Corrupted, match="b/x"):
            upload.complete()


def test_a_part_that_the_store_keeps_damaged_is_an_error(scripted: ScriptedGcs) -> None:
    scripted.script = [json_response({}), json_response(resource("p0", b"abX"))]
    with opened(scripted) as store:
        upload = store.begin_multipart("b", "x", size=5, part_size=3)
        with pytest.raises(Corrupted, match="MD5"):
            upload.put_part(0, BytesBody(b"abc"))


def test_buckets_need_a_project(scripted: ScriptedGcs) -> None:
    connection = scripted.connection(anonymous=True).model_copy(update={"project_id": None})
    with GcsStore.open(connection) as store, pytest.raises(StoreError, match="project_id"):
        store.list_containers()
    assert not scripted.requests


def test_a_batch_whose_requests_fail_is_repeated(scripted: ScriptedGcs) -> None:
    def batch(*statuses: int) -> Response:
        parts = "".join(f"--x\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 {one} -\r\n\r\n" for one in statuses)
        return 200, {"Content-Type": "multipart/mixed; boundary=x"}, f"{parts}--x--".encode()

    scripted.script = [batch(204, 503), batch(404, 204)]
    with opened(scripted, AT_ONCE) as store:
        store.delete("b", ["x", "y"])
    scripted.script = [batch(204, 403)]
    with opened(scripted, AT_ONCE) as store, pytest.raises(StoreError, match=r"y \(403\)"):
        store.delete("b", ["x", "y"])
    scripted.script = [batch(204)]
    with opened(scripted) as store, pytest.raises(StoreError, match="not one of Google Cloud Storage"):
        store.delete("b", ["x", "y"])


def test_a_part_of_a_layout_without_an_etag_is_that_of_any_generation_with_its_md5(scripted: ScriptedGcs) -> None:
    received = bytearray(3)

    def write_at(start: int, chunk: bytes) -> None:
        received[start : start + len(chunk)] = chunk

    scripted.script = [(206, {"x-goog-generation": "8"}, b"abc")]
    layout = ObjectLayout(3, "", md5(b"abc"))
    with opened(scripted) as store:
        store.get_part("b", "x", layout, Part(0, 3, layout.md5), write_at)
    assert bytes(received) == b"abc"
