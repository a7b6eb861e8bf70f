"""Archives that are refused."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from airflow_dlaas.exceptions import InvalidBundle
from airflow_dlaas.packaging import archive, entries
from tests.unit.packaging.archives import HIGH_LIMIT, entry


def refusal(path: Path, *, allow_nested: bool = False, unpacked_limit: int = HIGH_LIMIT) -> str:
    """Require that all functions refuse the zip; return the message."""
    destination = path.parent / "unpacked"
    with pytest.raises(InvalidBundle) as error:
        archive.require_safe_archive(path, allow_nested=allow_nested, unpacked_limit=unpacked_limit)
    with pytest.raises(InvalidBundle):
        archive.unpack(path, destination, allow_nested=allow_nested, unpacked_limit=unpacked_limit)
    assert not destination.exists()
    return str(error.value)


# ---- files that are not zips


def tar_of(data: bytes) -> bytes:
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w") as made:
        entry = tarfile.TarInfo("train.py")
        entry.size = len(data)
        made.addfile(entry, io.BytesIO(data))
    return memory.getvalue()


TAR = tar_of(b"print()")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"print('hello')", "is not a zip"),
        (TAR, "is a tar, not a zip"),
        (gzip.compress(TAR, mtime=0), "is a tar compressed with gzip (tar.gz), not a zip"),
        (gzip.compress(b"x" * 1000, mtime=0), "is gzip, not a zip"),
        (bz2.compress(TAR), "is a tar compressed with bzip2 (tar.bz2), not a zip"),
        (bz2.compress(b"x"), "is bzip2, not a zip"),
        (lzma.compress(TAR), "is a tar compressed with xz (tar.xz), not a zip"),
        (lzma.compress(b"x"), "is xz, not a zip"),
        (b"7z\xbc\xaf\x27\x1c....", "is a 7z archive, not a zip"),
        (b"Rar!\x1a\x07\x01\x00", "is a rar archive, not a zip"),
        (b"\x1f\x8b broken", "is gzip, not a zip"),
        (b"PK\x03\x04 and no more", "is damaged"),
    ],
)
def test_error_names_the_type_of_a_file_that_is_not_a_zip(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "code.zip"
    path.write_bytes(content)
    why = refusal(path)
    assert words in why
    if "not a zip" in words:
        assert "Only zip is accepted" in why


def test_zip_after_other_content_is_refused(tmp_path: Path, make_zip: Callable[..., Path]) -> None:
    path = make_zip(("a.py", b"x"))
    path.write_bytes(gzip.compress(b"x") + path.read_bytes())
    assert "is gzip" in refusal(path)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    assert "cannot be opened" in refusal(tmp_path / "missing.zip")


# ---- zips that are refused


def test_empty_zip_is_refused(make_zip: Callable[..., Path]) -> None:
    assert "The zip is empty" in refusal(make_zip())


def test_zip_of_folders_without_files_is_refused(make_zip: Callable[..., Path]) -> None:
    assert "no file" in refusal(make_zip((entry("lib/", 0o40755), b"")), allow_nested=True)


@pytest.mark.parametrize("name", ["lib/net.py", "lib/"])
def test_nested_folder_is_refused_with_both_solutions(make_zip: Callable[..., Path], name: str) -> None:
    why = refusal(make_zip(("train.py", b""), (name, b"")))
    assert f"{name!r} lies in a nested folder" in why
    assert "first level" in why
    assert "nested=True" in why


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("../evil.py", "leads out"),
        ("a/../../evil.py", "leads out"),
        ("..", "leads out"),
        ("/etc/passwd", "leads out"),
        ("..\\evil.py", "backslash"),
        ("C:evil.py", "drive letter"),
        ("C:/evil.py", "drive letter"),
        ("a\nb.py", "control character"),
        ("a//b.py", "not a plain file name"),
        ("./a.py", "not a plain file name"),
        ("x" * 256, "256 bytes"),
    ],
)
def test_name_that_is_not_a_plain_relative_path_is_refused(
    make_zip: Callable[..., Path], name: str, words: str
) -> None:
    assert words in refusal(make_zip((name, b"x")), allow_nested=True)


def test_name_with_a_nul_is_refused(make_zip: Callable[..., Path]) -> None:
    path = make_zip(("a.py0.txt", b"x"))
    path.write_bytes(path.read_bytes().replace(b"a.py0.txt", b"a.py\0.txt"))
    assert "NUL" in refusal(path)


@pytest.mark.parametrize(
    ("mode", "words"),
    [(stat.S_IFLNK, "symbolic link"), (stat.S_IFIFO, "neither a file nor a folder"), (stat.S_IFCHR, "neither")],
)
def test_links_and_devices_are_refused(make_zip: Callable[..., Path], mode: int, words: str) -> None:
    assert words in refusal(make_zip((entry("a.py", mode | 0o777), b"/etc/passwd")))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_duplicate_name_is_refused(make_zip: Callable[..., Path]) -> None:
    assert "'a.py' is in the zip twice" in refusal(make_zip(("a.py", b"1"), ("a.py", b"2")))
    archive.require_safe_archive(make_zip(("a.py", b"1"), ("A.py", b"2")), unpacked_limit=HIGH_LIMIT)


def test_name_of_a_file_and_a_folder_is_refused(make_zip: Callable[..., Path]) -> None:
    assert "as a file and as a folder" in refusal(make_zip(("a", b"1"), ("a/b", b"2")), allow_nested=True)


def patch_entry(path: Path, signature: bytes, offset: int, value: bytes, *, local: int | None = None) -> Path:
    """Overwrite a field in the directory record of the only entry, and at offset *local* of its local header."""
    data = bytearray(path.read_bytes())
    at = data.index(signature) + offset
    data[at : at + len(value)] = value
    if local is not None:
        data[local : local + len(value)] = value
    path.write_bytes(data)
    return path


DIRECTORY_SIGNATURE = b"PK\x01\x02"


def test_encrypted_entry_is_refused(make_zip: Callable[..., Path]) -> None:
    assert "is encrypted" in refusal(
        patch_entry(make_zip(("a.py", b"x")), DIRECTORY_SIGNATURE, 8, b"\x01\x00", local=6)
    )


def test_unsupported_compression_is_refused(make_zip: Callable[..., Path]) -> None:
    assert "usual method" in refusal(
        patch_entry(make_zip(("a.py", b"x")), DIRECTORY_SIGNATURE, 10, b"\x0e\x00", local=8)
    )


def test_changed_content_is_detected(make_zip: Callable[..., Path]) -> None:
    path = make_zip(("a.py", b"print('right')"))
    path.write_bytes(path.read_bytes().replace(b"right", b"wrong"))
    assert "'a.py' in the zip is damaged" in refusal(path)


def test_declared_size_above_the_limit_is_refused(make_zip: Callable[..., Path]) -> None:
    path = make_zip(("a.py", b"x" * 600), ("b.py", b"x" * 600))
    assert "unpacks to more than 1,199 bytes" in refusal(path, unpacked_limit=1199)
    archive.require_safe_archive(path, unpacked_limit=1200)


def test_zip_bomb_with_a_false_size_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("a.py", bytes(50_000_000))
    patch_entry(path, DIRECTORY_SIGNATURE, 24, struct.pack("<I", 10), local=22)
    assert "damaged" in refusal(path, unpacked_limit=1000)


def test_too_many_entries_are_refused(make_zip: Callable[..., Path]) -> None:
    path = make_zip(*((f"{number}.py", b"") for number in range(entries.MAX_ENTRIES + 1)))
    assert "10,001 entries, and the maximum is 10,000" in refusal(path)


def test_list_of_entries_above_the_memory_limit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "code.zip"
    size = archive.MAX_CENTRAL_DIRECTORY_BYTES + 1
    with path.open("wb") as file:
        file.write(b"PK\x03\x04")
        file.truncate(4 + size)
        file.seek(0, os.SEEK_END)
        file.write(struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 1, 1, size, 4, 0))
    assert "far more than 10,000 entries" in refusal(path)
