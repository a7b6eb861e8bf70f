"""Zips of code, as somebody may send them who means no good."""

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
"""Bytes that may come out."""

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


def unicode_path(name: str, told: str) -> bytes:
    """Info-ZIP's extra field with another name than the entry's own, which newer Pythons believe."""
    field = struct.pack("<BL", 1, zlib.crc32(name.encode())) + told.encode()
    return struct.pack("<HH", 0x7075, len(field)) + field


EXTRAS = st.one_of(
    st.just(b""),
    st.binary(max_size=40),
    st.builds(lambda size, content: struct.pack("<HH", 1, size) + content, st.integers(0, 40), st.binary(max_size=40)),
    st.builds(lambda *sizes: struct.pack("<HHQQQ", 1, 24, *sizes), *[st.integers(0, 2**64 - 1)] * 3),
    st.builds(lambda told: unicode_path("train.py", told), NAMES.filter(bool)),
)


@st.composite
def zips(draw: st.DrawFn) -> bytes:
    """A real zip with made-up entries."""
    memory = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(memory, "w") as zip_file:
        warnings.simplefilter("ignore")  # a name that is there twice is what we want
        for name in draw(st.lists(NAMES, max_size=4)):
            entry = zipfile.ZipInfo("x")
            entry.filename = name
            entry.external_attr = draw(MODES) << 16
            entry.create_system = draw(st.sampled_from([0, 3]))
            entry.compress_type = draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
            extra = draw(EXTRAS)
            content = draw(st.one_of(st.binary(max_size=50), st.just(b"0" * LIMIT), st.just(a_zip())))
            zip_file.writestr(entry, content)
            entry.extra = extra  # now in the list of entries only
    return memory.getvalue()


@st.composite
def spoilt_zips(draw: st.DrawFn) -> bytes:
    """A real zip in which bytes were changed where they matter."""
    content = bytearray(draw(zips()))
    headers = [found.start() for found in re.finditer(rb"PK(\x01\x02|\x03\x04|\x05\x06|\x06\x06|\x06\x07)", content)]
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


def a_zip() -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as zip_file:
        zip_file.writestr("train.py", "print(1)\n")
    return memory.getvalue()


@contextmanager
def room() -> Iterator[Path]:
    """A folder to unpack into, with neighbours that must stay as they are."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "deep" / "er").mkdir(parents=True)
        for neighbour in ("evil", "deep/evil", "deep/er/evil"):
            (root / neighbour).write_text("untouched")
        yield root / "deep" / "er"


def insist(content: bytes, *, nested: bool) -> bool:
    """Unpack *content*; whether it was let in. Nothing but the folder may have changed, and that only if it was."""
    with room() as folder:
        path, into = folder / "code.zip", folder / "into"
        path.write_bytes(content)
        root = folder.parent.parent
        before = {one: os.lstat(one).st_mtime_ns for one in root.rglob("*")}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # newer Pythons warn of some damage
            try:
                archive.require_safe_archive(path, allow_nested=nested, unpacked_limit=LIMIT)
                sound = True
            except InvalidBundle as error:
                assert len(str(error)) < 3000  # noqa: PT017
                sound = False
            try:
                archive.unpack(path, into, allow_nested=nested, unpacked_limit=LIMIT)
                assert sound, "it was refused, and then unpacked"
            except InvalidBundle:
                assert not sound, "it was found sound, and then refused"
                assert not into.exists()
            try:
                archive.digest_archive(path, unpacked_limit=LIMIT)
            except InvalidBundle:
                assert nested is False or not sound
        found = [*into.rglob("*")]
        assert {one for one in root.rglob("*") if into not in (one, *one.parents)} == before.keys()
        assert all(one.read_text() == "untouched" for one in before if one.name == "evil")
        assert all(stat.S_ISREG(one.lstat().st_mode) or stat.S_ISDIR(one.lstat().st_mode) for one in found)
        assert {stat.S_IMODE(one.lstat().st_mode) for one in found if one.is_file()} <= {0o644, 0o755}
        assert sum(one.lstat().st_size for one in found if one.is_file()) <= LIMIT
        assert nested or all(one.parent == into for one in found)
        return sound


@effort(300)
@given(st.binary(max_size=300).map(lambda tail: tail) | st.binary(max_size=300).map(b"PK\x03\x04".__add__))
def test_any_bytes_are_refused(content: bytes) -> None:
    assert not insist(content, nested=True)


@effort(400)
@given(zips(), st.booleans())
def test_whatever_a_zip_holds_it_stays_in_its_folder(content: bytes, nested: bool) -> None:
    insist(content, nested=nested)


@effort(800)
@given(spoilt_zips(), st.booleans())
def test_a_damaged_zip_is_refused_or_stays_in_its_folder(content: bytes, nested: bool) -> None:
    insist(content, nested=nested)


def entry(name: str = "train.py", **fields: object) -> bytes:
    memory = io.BytesIO()
    made = zipfile.ZipInfo(name)
    made.filename = name
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as zip_file:
        zip_file.writestr(made, b"print(1)\n")
        for field, value in fields.items():
            setattr(made, field, value)
    return memory.getvalue()


def bomb() -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as zip_file:
        zip_file.writestr("train.py", b"\0" * 50_000_000)
    return memory.getvalue()


def lying_bomb() -> bytes:
    """Much more comes out than both headers say."""
    content = bytearray(bomb())
    for mark, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        place = content.index(mark) + at
        content[place : place + 4] = struct.pack("<I", 100)
    return bytes(content)


def twice() -> bytes:
    memory = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(memory, "w") as zip_file:
        warnings.simplefilter("ignore")
        zip_file.writestr("train.py", "1")
        zip_file.writestr("train.py", "2")
    return memory.getvalue()


def overlapping() -> bytes:
    """One piece of content under a thousand names: how a small zip becomes a large folder without a great ratio."""
    content = a_zip()
    begin = content.index(b"PK\x01\x02")
    end = content.index(b"PK\x05\x06")
    listed = b"".join(content[begin:end].replace(b"train.py", b"%08d" % number) for number in range(1000))
    closing = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1000, 1000, len(listed), begin, 0)
    return content[:begin] + listed + closing


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: entry(extra=unicode_path("train.py", "../evil")), id="another name in an extra field"),
        pytest.param(lambda: entry("../evil"), id="leads out"),
        pytest.param(lambda: entry("/evil"), id="absolute"),
        pytest.param(lambda: entry("..\\evil"), id="backslash"),
        pytest.param(lambda: entry("train.py\0.txt"), id="NUL"),
        pytest.param(lambda: entry(flag_bits=1), id="encrypted"),
        pytest.param(lambda: entry(external_attr=(stat.S_IFLNK | 0o777) << 16), id="symbolic link"),
        pytest.param(lambda: entry(external_attr=(stat.S_IFIFO | 0o644) << 16), id="pipe"),
        pytest.param(lambda: entry(file_size=2**40), id="declares a terabyte"),
        pytest.param(lambda: entry(header_offset=2**40), id="lies a terabyte away"),
        pytest.param(lambda: entry("/".join(["d" * 250] * 20)), id="a path longer than any system takes"),
        pytest.param(bomb, id="bomb"),
        pytest.param(lying_bomb, id="bomb that lies"),
        pytest.param(twice, id="twice"),
        pytest.param(overlapping, id="overlapping"),
    ],
)
@pytest.mark.parametrize("nested", [False, True])
def test_no_known_trick_gets_in(make: Callable[[], bytes], nested: bool) -> None:
    content = make()
    sound = insist(content, nested=nested)
    # Where Python does not know the field, the entry is what it says it is.
    assert not sound or b"\x75\x70" in content


def test_a_zip_in_a_zip_is_a_file_like_any_other() -> None:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as zip_file:
        zip_file.writestr("inner.zip", bomb())
    assert insist(memory.getvalue(), nested=False)
