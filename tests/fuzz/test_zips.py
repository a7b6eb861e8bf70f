"""Malicious and damaged archives of code."""

from __future__ import annotations

import io
import os
import re
import stat
import struct
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dlaas.exceptions import InvalidBundle
from airflow_dlaas.packaging import archive
from tests.fuzz.effort import effort

LIMIT = 100_000
"""The maximum of the unpacked bytes."""

NAMES = st.one_of(
    st.sampled_from(
        [
            "train.py", "a/b.py", "..", "../evil", "a/../../evil", "/evil", "//evil", "..\\evil", "C:\\evil", "C:evil",
            "a\0b", "./x", "a//b", "a/", "/", ".", "a/./b", "~/evil", "a\nb", "nul", "e\u0301", "é", "x" * 300,
            "/".join(["d" * 250] * 20), "…/evil", "..／evil", " ", "a ", "-rf", "train.py/x",
        ]
    ),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=12),
)  # fmt: skip

MODES = st.sampled_from(
    [0, stat.S_IFREG | 0o644, stat.S_IFREG | 0o4755, stat.S_IFLNK | 0o777, stat.S_IFIFO | 0o644, stat.S_IFDIR | 0o755]
)


def unicode_path(name: str, other_name: str) -> bytes:
    """Return the extra field of Info-ZIP with another name for the entry *name*; newer Pythons use that name."""
    field = struct.pack("<BL", 1, zlib.crc32(name.encode())) + other_name.encode()
    return struct.pack("<HH", 0x7075, len(field)) + field


EXTRAS = st.one_of(
    st.just(b""),
    st.binary(max_size=40),
    st.builds(lambda size, content: struct.pack("<HH", 1, size) + content, st.integers(0, 40), st.binary(max_size=40)),
    st.builds(lambda *sizes: struct.pack("<HHQQQ", 1, 24, *sizes), *[st.integers(0, 2**64 - 1)] * 3),
    st.builds(lambda other_name: unicode_path("train.py", other_name), NAMES.filter(bool)),
)


@st.composite
def zip_files(draw: st.DrawFn) -> bytes:
    """A valid zip file with random entries."""
    memory = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(memory, "w") as zip_file:
        warnings.simplefilter("ignore")  # duplicate names are intended
        for name in draw(st.lists(NAMES, max_size=4)):
            entry = zipfile.ZipInfo("x")
            entry.filename = name
            entry.external_attr = draw(MODES) << 16
            entry.create_system = draw(st.sampled_from([0, 3]))
            entry.compress_type = draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
            extra = draw(EXTRAS)
            content = draw(st.one_of(st.binary(max_size=50), st.just(b"0" * LIMIT), st.just(make_zip())))
            zip_file.writestr(entry, content)
            entry.extra = extra  # set now, it is in the list of entries only
    return memory.getvalue()


@st.composite
def damaged_zip_files(draw: st.DrawFn) -> bytes:
    """A zip with changed bytes in its headers."""
    content = bytearray(draw(zip_files()))
    headers = [match.start() for match in re.finditer(rb"PK(\x01\x02|\x03\x04|\x05\x06|\x06\x06|\x06\x07)", content)]
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.sampled_from(headers)) + draw(st.integers(4, 46))
        new = draw(
            st.one_of(
                st.binary(min_size=1, max_size=4),
                st.sampled_from(
                    [b"\xff\xff\xff\xff", b"\xff\xff", b"\0\0\0\0", b"\x01", b"\x09", b"\x63", b"../", b"/"]
                ),
            )
        )
        content[at : at + len(new)] = new
    if draw(st.booleans()):
        del content[draw(st.integers(0, len(content))) :]
    return draw(st.sampled_from([b"", b"", b"#!/bin/sh\n"])) + bytes(content)


def make_zip() -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as zip_file:
        zip_file.writestr("train.py", "print(1)\n")
    return memory.getvalue()


@contextmanager
def folder_with_neighbours() -> Iterator[Path]:
    """Make a folder to unpack into, with files around it that must not change."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "deep" / "er").mkdir(parents=True)
        for neighbour in ("evil", "deep/evil", "deep/er/evil"):
            (root / neighbour).write_text("untouched")
        yield root / "deep" / "er"


def unpack_safely(content: bytes, *, nested: bool) -> bool:
    """
    Unpack *content*; return whether it was accepted.

    Only the destination may change, and only if the archive was accepted.
    """
    with folder_with_neighbours() as folder:
        path, destination = folder / "code.zip", folder / "destination"
        path.write_bytes(content)
        root = folder.parent.parent
        before = {one: os.lstat(one).st_mtime_ns for one in root.rglob("*")}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # newer Pythons warn about some damage
            try:
                archive.require_safe_archive(path, allow_nested=nested, unpacked_limit=LIMIT)
                accepted = True
            except InvalidBundle as error:
                assert len(str(error)) < 3000  # noqa: PT017
                accepted = False
            try:
                archive.unpack(path, destination, allow_nested=nested, unpacked_limit=LIMIT)
                assert accepted, "it was refused by one function and unpacked by the other"
            except InvalidBundle:
                assert not accepted, "it was accepted by one function and refused by the other"
                assert not destination.exists()
            try:
                archive.digest_archive(path, unpacked_limit=LIMIT)
            except InvalidBundle:
                assert nested is False or not accepted
        found = [*destination.rglob("*")]
        assert {one for one in root.rglob("*") if destination not in (one, *one.parents)} == before.keys()
        assert all(one.read_text() == "untouched" for one in before if one.name == "evil")
        assert all(stat.S_ISREG(one.lstat().st_mode) or stat.S_ISDIR(one.lstat().st_mode) for one in found)
        assert {stat.S_IMODE(one.lstat().st_mode) for one in found if one.is_file()} <= {0o644, 0o755}
        assert sum(one.lstat().st_size for one in found if one.is_file()) <= LIMIT
        assert nested or all(one.parent == destination for one in found)
        return accepted


@effort(300)
@given(st.binary(max_size=300).map(lambda tail: tail) | st.binary(max_size=300).map(b"PK\x03\x04".__add__))
def test_random_bytes_are_refused(content: bytes) -> None:
    assert not unpack_safely(content, nested=True)


@effort(400)
@given(zip_files(), st.booleans())
def test_zip_of_any_entries_changes_only_its_destination(content: bytes, nested: bool) -> None:
    unpack_safely(content, nested=nested)


@effort(800)
@given(damaged_zip_files(), st.booleans())
def test_damaged_zip_changes_only_its_destination(content: bytes, nested: bool) -> None:
    unpack_safely(content, nested=nested)


def zip_with_entry(name: str = "train.py", **fields: object) -> bytes:
    memory = io.BytesIO()
    made = zipfile.ZipInfo(name)
    made.filename = name
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as zip_file:
        zip_file.writestr(made, b"print(1)\n")
        for field, value in fields.items():
            setattr(made, field, value)
    return memory.getvalue()


def zip_bomb() -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as zip_file:
        zip_file.writestr("train.py", b"\0" * 50_000_000)
    return memory.getvalue()


def zip_bomb_with_false_sizes() -> bytes:
    """Make a zip that unpacks to far more bytes than both headers declare."""
    content = bytearray(zip_bomb())
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        start = content.index(signature) + offset
        content[start : start + 4] = struct.pack("<I", 100)
    return bytes(content)


def duplicate_names() -> bytes:
    memory = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(memory, "w") as zip_file:
        warnings.simplefilter("ignore")
        zip_file.writestr("train.py", "1")
        zip_file.writestr("train.py", "2")
    return memory.getvalue()


def overlapping_entries() -> bytes:
    """Make a zip with one content under a thousand names: a small zip of a large folder, without a high ratio."""
    content = make_zip()
    directory = content.index(b"PK\x01\x02")
    end = content.index(b"PK\x05\x06")
    entries = b"".join(content[directory:end].replace(b"train.py", b"%08d" % number) for number in range(1000))
    end_record = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1000, 1000, len(entries), directory, 0)
    return content[:directory] + entries + end_record


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(
            lambda: zip_with_entry(extra=unicode_path("train.py", "../evil")), id="another name in an extra field"
        ),
        pytest.param(lambda: zip_with_entry("../evil"), id="leads out"),
        pytest.param(lambda: zip_with_entry("/evil"), id="absolute"),
        pytest.param(lambda: zip_with_entry("..\\evil"), id="backslash"),
        pytest.param(lambda: zip_with_entry("train.py\0.txt"), id="NUL"),
        pytest.param(lambda: zip_with_entry(flag_bits=1), id="encrypted"),
        pytest.param(lambda: zip_with_entry(external_attr=(stat.S_IFLNK | 0o777) << 16), id="symbolic link"),
        pytest.param(lambda: zip_with_entry(external_attr=(stat.S_IFIFO | 0o644) << 16), id="pipe"),
        pytest.param(lambda: zip_with_entry(file_size=2**40), id="declares a terabyte"),
        pytest.param(lambda: zip_with_entry(header_offset=2**40), id="begins beyond a terabyte"),
        pytest.param(lambda: zip_with_entry("/".join(["d" * 250] * 20)), id="a path longer than any system supports"),
        pytest.param(zip_bomb, id="zip bomb"),
        pytest.param(zip_bomb_with_false_sizes, id="zip bomb with false sizes"),
        pytest.param(duplicate_names, id="duplicate names"),
        pytest.param(overlapping_entries, id="overlapping entries"),
    ],
)
@pytest.mark.parametrize("nested", [False, True])
def test_known_attack_is_refused(make: Callable[[], bytes], nested: bool) -> None:
    content = make()
    accepted = unpack_safely(content, nested=nested)
    # A version of Python that ignores the extra field uses the name of the entry itself.
    assert not accepted or b"\x75\x70" in content


def test_zip_inside_a_zip_is_an_ordinary_file() -> None:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as zip_file:
        zip_file.writestr("inner.zip", zip_bomb())
    assert unpack_safely(memory.getvalue(), nested=False)
