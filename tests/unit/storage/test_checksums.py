"""Comparison of received bytes with the MD5s of what was stored."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dlaas.exceptions import Corrupted
from airflow_dlaas.storage.checksums import ChecksumVerifier
from airflow_dlaas.storage.object_store import Part
from airflow_dlaas.storage.segments import split_ranges
from tests.memory_store import md5


def parts(content: bytes, part_size: int) -> list[Part]:
    found = [
        Part(one.start, one.size, md5(content[one.start : one.start + one.size]))
        for one in split_ranges(len(content), part_size)
    ]
    return found or [Part(0, 0, md5(b""))]


@given(st.binary(max_size=60), st.integers(1, 30), st.integers(1, 30))
def test_verifier_accepts_the_stored_bytes_in_any_chunks(content: bytes, part_size: int, chunk_size: int) -> None:
    verifier = ChecksumVerifier("it", parts(content, part_size))
    for start in range(0, len(content), chunk_size):
        verifier.update(content[start : start + chunk_size])
    verifier.finalize()
    assert verifier.bytes_received == len(content)


@given(st.binary(min_size=1, max_size=60), st.integers(1, 30), st.data())
def test_verifier_detects_one_changed_byte(content: bytes, part_size: int, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, len(content) - 1))
    other = content[:offset] + bytes([content[offset] ^ 1]) + content[offset + 1 :]
    verifier = ChecksumVerifier("it", parts(content, part_size))
    with pytest.raises(Corrupted, match="arrived with the MD5"):
        verifier.update(other)


@given(st.binary(min_size=1, max_size=60), st.integers(1, 30))
def test_verifier_detects_missing_and_extra_bytes(content: bytes, part_size: int) -> None:
    short = ChecksumVerifier("it", parts(content, part_size))
    short.update(content[:-1])
    with pytest.raises(Corrupted, match="ended after"):
        short.finalize()
    with pytest.raises(Corrupted, match="longer"):
        ChecksumVerifier("it", parts(content, part_size)).update(content + b"x")


def test_verifier_compares_an_empty_object() -> None:
    with pytest.raises(Corrupted):
        ChecksumVerifier("it", [Part(0, 0, "0" * 32)]).finalize()


def test_verifier_compares_a_part_without_md5_by_its_size() -> None:
    verifier = ChecksumVerifier("it", [Part(0, 3)])
    verifier.update(b"abc")
    verifier.finalize()
