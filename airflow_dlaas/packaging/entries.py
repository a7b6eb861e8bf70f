"""
What a zip of code may hold, decided from its list of entries. No I/O.

One rule for both directions: what `bundle.pack` would write is what `bundle.inspect` lets in.
"""

from __future__ import annotations

import re
import stat
import zipfile
from collections.abc import Iterable, Sequence

from airflow_dlaas.exceptions import InvalidBundle

MAX_ENTRIES = 10_000
"""Entries of one zip: far above any code, far below what makes unpacking a burden."""

MAX_FILE_NAME_BYTES = 255
"""Bytes of a file's name, on every file system in use."""

MAX_PATH_BYTES = 1024
"""Bytes of a whole name with its folders: with the folder it is unpacked into, what every system can open."""

FLATTEN_HINT = (
    "Put all files at the first level and zip them from inside their folder, or allow nested folders (allow_nested)"
)

COMPRESSION_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
"""The two every unzip knows; others may claim gigabytes of memory by their header alone."""

_UNSAFE_CHARACTERS = re.compile(r"[\x00-\x1f\x7f\\]|^[A-Za-z]:")


def require_safe_name(name: str) -> None:
    """Refuse a *name* that is no plain relative path; *name* of a folder ends in a slash."""
    steps = name.removesuffix("/").split("/")
    if "\0" in name:
        raise InvalidBundle(f"The file name {name!r} holds a NUL character: rename the file")
    if _UNSAFE_CHARACTERS.search(name):
        raise InvalidBundle(
            f"The file name {name!r} holds a backslash, a drive letter or a control character: "
            "rename the file, and separate folders with /"
        )
    if name.startswith("/") or ".." in steps:
        raise InvalidBundle(f"{name!r} leads out of the folder the zip is unpacked into: use plain relative names")
    if any(step in {"", "."} for step in steps):
        raise InvalidBundle(f"{name!r} is no plain file name: it has an empty part or a lone dot")
    try:
        longest = max(len(step.encode()) for step in steps)
    except UnicodeEncodeError:
        raise InvalidBundle(f"The file name {name!r} is not UTF-8: rename the file") from None
    if len(name.encode()) > MAX_PATH_BYTES:
        raise InvalidBundle(
            f"The file name {name[:40]!r}… has more than {MAX_PATH_BYTES:,} bytes with its folders: shorten it"
        )
    if longest > MAX_FILE_NAME_BYTES:
        raise InvalidBundle(
            f"The file name {name[:40]!r}… has {longest} bytes, {MAX_FILE_NAME_BYTES} are the most: shorten it"
        )


def require_flat_name(name: str) -> None:
    """Refuse a *name* below the first level."""
    if "/" in name:
        raise InvalidBundle(f"{name!r} lies in a nested folder, and the zip has to be flat. {FLATTEN_HINT}")


def require_entry_count(count: int) -> None:
    """Refuse too many entries, and none at all."""
    if not count:
        raise InvalidBundle("The zip is empty: there is no code in it to run")
    if count > MAX_ENTRIES:
        raise InvalidBundle(
            f"The zip has {count:,} entries, {MAX_ENTRIES:,} are the most: data belongs in the object store"
        )


def require_distinct_names(names: Iterable[str]) -> None:
    """Refuse a name that stands twice, and one that would be a file and a folder at once."""
    seen: set[str] = set()
    files: set[str] = set()
    folders: set[str] = set()
    for name in names:
        if name in seen:
            raise InvalidBundle(f"{name!r} stands in the zip twice: which one is meant cannot be known, leave one out")
        seen.add(name)
        steps = name.removesuffix("/").split("/")
        folders.update("/".join(steps[:depth]) for depth in range(1, len(steps)))
        (folders if name.endswith("/") else files).add(name.removesuffix("/"))
    if both := files & folders:
        raise InvalidBundle(f"{min(both)!r} stands in the zip as a file and as a folder: rename one of them")


def require_safe_entries(entries: Sequence[zipfile.ZipInfo], *, allow_nested: bool, unpacked_limit: int) -> None:
    """
    Refuse a list of entries that cannot be unpacked safely, by what it declares.

    *unpacked_limit* is in bytes. A list may lie: what is really read has to be counted again.
    """
    require_entry_count(len(entries))
    for entry in entries:
        # `filename` ends at a NUL, `orig_filename` is what the zip says.
        require_safe_name(entry.orig_filename)
        # Newer Pythons take another one from an extra field (Info-ZIP's Unicode path).
        require_safe_name(entry.filename)
        _require_supported_entry(entry)
    if not allow_nested:
        for entry in entries:
            require_flat_name(entry.filename)
    require_distinct_names(entry.filename for entry in entries)
    if all(entry.is_dir() for entry in entries):
        raise InvalidBundle("The zip holds folders but no file: there is no code in it to run")
    require_unpacked_size(sum(entry.file_size for entry in entries), unpacked_limit)


def require_unpacked_size(size: int, limit: int) -> None:
    """Refuse to unpack *size* bytes where *limit* are the most."""
    if size > limit:
        raise InvalidBundle(
            f"The zip unpacks to more than {limit:,} bytes, the most that is taken here: "
            "leave out what is not code, data belongs in the object store"
        )


def _require_supported_entry(entry: zipfile.ZipInfo) -> None:
    name = entry.filename
    if entry.flag_bits & 0x1:
        raise InvalidBundle(f"{name!r} is encrypted, and nobody here has the password: zip it without one")
    if entry.compress_type not in COMPRESSION_METHODS:
        raise InvalidBundle(f"{name!r} is compressed in a way not taken here: zip it with the usual method (deflate)")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind == stat.S_IFLNK:
        raise InvalidBundle(f"{name!r} is a symbolic link: put the file itself into the zip (zip without -y)")
    if kind not in {0, stat.S_IFDIR if entry.is_dir() else stat.S_IFREG}:
        raise InvalidBundle(f"{name!r} is neither a file nor a folder (a device, a pipe?): leave it out")
