"""The type of a file that should be a zip, recognized by its first bytes. No I/O."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable

ZIP_HINT = "Only zip is accepted: make one with `zip -j code.zip *.py`, or let the package step do it"

TAR_MAGIC_OFFSET = 257
"""Offset of the text ``ustar`` in every tar since POSIX.1-1988."""

_COMPRESSED_FORMATS: dict[bytes, tuple[str, Callable[[], object]]] = {
    b"\x1f\x8b": ("gzip", lambda: zlib.decompressobj(wbits=31)),
    b"BZh": ("bzip2", bz2.BZ2Decompressor),
    # Limits the memory: a header may request 4 GiB.
    b"\xfd7zXZ\x00": ("xz", lambda: lzma.LZMADecompressor(memlimit=64 * 1024**2)),
}

_OTHER_FORMATS = {
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "rar",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"PK\x07\x08": "split zip",
}


def not_zip_reason(head: bytes) -> str | None:
    """Return a sentence with the type of a file that begins with *head*; None if it begins as a zip does."""
    if not head:
        return f"The file is empty. {ZIP_HINT}"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return None
    for magic, (name, decompressor) in _COMPRESSED_FORMATS.items():
        if head.startswith(magic):
            is_tar = _contains_tar(head, decompressor())
            found = f"a tar compressed with {name} (tar.{_SUFFIXES[name]})" if is_tar else name
            return f"The file is {found}, not a zip. {ZIP_HINT}"
    for magic, name in _OTHER_FORMATS.items():
        if head.startswith(magic):
            return f"The file is a {name} archive, not a zip. {ZIP_HINT}"
    if _is_tar(head):
        return f"The file is a tar, not a zip. {ZIP_HINT}"
    return f"The file is not a zip. {ZIP_HINT}"


_SUFFIXES = {"gzip": "gz", "bzip2": "bz2", "xz": "xz"}


def _is_tar(head: bytes) -> bool:
    return head[TAR_MAGIC_OFFSET : TAR_MAGIC_OFFSET + 5] == b"ustar"


def _contains_tar(head: bytes, decompressor: object) -> bool:
    try:
        return _is_tar(decompressor.decompress(head, TAR_MAGIC_OFFSET + 5))  # type: ignore[attr-defined]
    except (zlib.error, OSError, EOFError, ValueError, lzma.LZMAError):
        return False
