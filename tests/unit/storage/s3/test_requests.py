from __future__ import annotations

import base64
import hashlib
from xml.etree import ElementTree

import pytest

from airflow_dlaas.storage.s3 import requests


def test_default_region_is_not_named_when_a_bucket_is_created():
    assert requests.create_bucket("box", "us-east-1").body is None
    assert b"<LocationConstraint>eu-west-1</LocationConstraint>" in (
        requests.create_bucket("box", "eu-west-1").body or b""
    )


@pytest.mark.parametrize("name", ["a&b<c>", "cr\rx", "tab\tx", "line\nx", "é"])
def test_names_to_delete_survive_xml(name: str):
    body = requests.delete_objects("box", [name]).body or b""
    assert ElementTree.fromstring(body)[1][0].text == name  # noqa: S314 - our own document


@pytest.mark.parametrize("name", ["\x01", "a\x0b", "\uffff"])
def test_names_that_xml_cannot_have_are_found(name: str):
    assert not requests.is_in_xml(name)
    assert requests.is_in_xml("a b\t\n\ré日")


def test_documents_carry_their_checksums():
    request = requests.delete_objects("box", ["a"])
    body = request.body or b""
    assert (
        request.headers["Content-MD5"] == base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
    )
    assert request.payload_hash == hashlib.sha256(body).hexdigest()


def test_flags_of_a_query_are_sent_without_and_signed_with_an_equals_sign():
    request = requests.list_uploads("box", "a b")
    assert request.sent_query == "?uploads&encoding-type=url&prefix=a%20b"
    assert request.signed_query == "encoding-type=url&prefix=a%20b&uploads="
