"""The CRC32C of joined contents."""

from __future__ import annotations

import base64

import google_crc32c
import pytest

from airflow_dlaas.storage.gcs.crc32c import combine, decode


@pytest.mark.parametrize("parts", [[], [b""], [b"a"], [b"abc", b"", b"def"], [b"\0" * 1000, b"\xff" * 262_145, b"z"]])
def test_the_crc_of_parts_is_that_of_their_content(parts: list[bytes]) -> None:
    assert combine((google_crc32c.value(one), len(one)) for one in parts) == google_crc32c.value(b"".join(parts))


def test_the_check_value_of_the_algorithm_is_decoded() -> None:
    assert decode(base64.b64encode(bytes.fromhex("e3069283")).decode()) == google_crc32c.value(b"123456789")
