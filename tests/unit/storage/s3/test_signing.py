from __future__ import annotations

from datetime import datetime, timezone

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from airflow_dlaas.storage.object_store import Part
from airflow_dlaas.storage.s3 import requests
from airflow_dlaas.storage.s3.addressing import address_of
from airflow_dlaas.storage.s3.requests import S3Request
from airflow_dlaas.storage.s3.signing import Signer

KEYS = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
NOW = datetime(2026, 12, 1, 15, 4, 5, tzinfo=timezone.utc)
MD5 = "9dd4e461268c8034f5c8564e155c67a6"

REQUESTS = [
    requests.list_buckets(),
    requests.create_bucket("box", "eu-west-1"),
    requests.list_objects("box", "a b/ü+&=%", "tok/en==", delimiter="/", limit=7),
    requests.head_object("box", "a", 3),
    requests.get_object("box", "a//b/", {"Range": "bytes=0-1", "If-Match": f'"{MD5}"'}),
    requests.put_object("box", "a b+c%d?e#f/é~-_.", MD5, "text/plain; charset=utf-8"),
    requests.copy_object("box", "é + ?", "other", "/x"),
    requests.delete_objects("box", ["a", "b"]),
    requests.list_uploads("box", "a", "a", "id"),
    requests.create_upload("box", "a"),
    requests.upload_part("box", "a", "id/+=", 1, MD5),
    requests.copy_part(requests.upload_part("box", "a", "id", 1, None), ("box", "b"), Part(0, 5), MD5),
    requests.complete_upload("box", "a", "id", [MD5]),
]


def signature_of_botocore(request: S3Request, url: str, signed: dict[str, str], token: str | None) -> str:
    """Return the Authorization header that botocore makes for the time of *signed*, of the headers that we sign."""
    sent = {
        name: value
        for name, value in signed.items()
        if name.lower().startswith("x-amz-") or name.lower() in {"content-md5", "content-type"}
    }
    signer = S3SigV4Auth(Credentials(*KEYS, token), "s3", "eu-west-1")
    aws_request = AWSRequest(request.method, url, headers=sent)
    aws_request.context["timestamp"] = signed["x-amz-date"]
    text = signer.string_to_sign(aws_request, signer.canonical_request(aws_request))
    signer._inject_signature_to_request(aws_request, signer.signature(text, aws_request))
    return str(aws_request.headers["Authorization"])


@pytest.mark.parametrize("token", [None, "token//+="])
@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:8080", "https://s3.eu-west-1.amazonaws.com", "http://h/s3/x"])
@pytest.mark.parametrize("request_", REQUESTS, ids=lambda one: f"{one.method} {one.sent_query}")
def test_signatures_are_those_of_botocore(request_: S3Request, endpoint: str, token: str | None):
    address = address_of(endpoint, "auto", request_.bucket, request_.name)
    headers = {**request_.headers, "x-amz-content-sha256": request_.payload_hash}
    signed = Signer(*KEYS, token).sign(
        request_.method,
        address.host,
        address.signed_path,
        request_.signed_query,
        headers,
        region="eu-west-1",
        now=NOW,
    )
    url = f"{address.base_url}{address.path}{request_.sent_query}"
    assert signed["Authorization"] == signature_of_botocore(request_, url, signed, token)
    assert signed.get("x-amz-security-token") == token
    assert all(signed[name] == value for name, value in headers.items())


def test_a_signer_signs_for_each_region_and_each_day():
    signer = Signer(*KEYS)

    def sign(region: str, now: datetime) -> str:
        return signer.sign("GET", "h", "/", "", {"x-amz-content-sha256": ""}, region=region, now=now)["Authorization"]

    first = sign("us-east-1", NOW)
    others = {sign("eu-west-1", NOW), sign("us-east-1", NOW.replace(day=2))}
    assert first not in others
    assert sign("us-east-1", NOW) == first
