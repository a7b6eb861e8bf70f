"""
The rules for the entries of an archive, checked by its list of entries. No I/O.

The rules are the same in both directions: `archive.pack` writes what `archive.require_safe_archive` accepts.
"""

from __future__ import annotations

import re
import stat
import zipfile
from collections.abc import Iterable, Sequence

from airflow_dlaas.exceptions import InvalidBundle

MAX_ENTRIES = 10_000
"""Entries of one zip: far more than any code has, and few enough to be unpacked fast."""

MAX_FILE_NAME_BYTES = 255
"""Bytes of a file name that every file system in use supports."""

MAX_PATH_BYTES = 1024
"""Bytes of a path in the zip: together with the folder it is unpacked into, every system can open it."""

FLATTEN_HINT = (
    "Put all files at the first level and zip them from inside their folder, or opt in to folders: nested=True, for "
    "the zip and for its experiment (in the console: --allow-nested)"
)

COMPRESSION_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
"""The two methods that every unzip supports; the header of another one may request gigabytes of memory."""

_UNSAFE_CHARACTERS = re.compile(r"[\x00-\x1f\x7f\\]|^[A-Za-z]:")


def require_safe_name(name: str) -> None:
    """Check that *name* is a plain relative path; the name of a folder ends with a slash."""
    components = name.removesuffix("/").split("/")
    if "\0" in name:
        raise InvalidBundle(f"The file name {name!r} holds a NUL character: rename the file")
    if _UNSAFE_CHARACTERS.search(name):
        raise InvalidBundle(
            f"The file name {name!r} holds a backslash, a drive letter or a control character: "
            "rename the file, and separate folders with /"
        )
    if name.startswith("/") or ".." in components:
        raise InvalidBundle(f"{name!r} leads out of the folder the zip is unpacked into: use plain relative names")
    if any(one in {"", "."} for one in components):
        raise InvalidBundle(f"{name!r} is not a plain file name: a component of it is empty or a single dot")
    try:
        longest = max(len(one.encode()) for one in components)
    except UnicodeEncodeError:
        raise InvalidBundle(f"The file name {name!r} is not UTF-8: rename the file") from None
    if len(name.encode()) > MAX_PATH_BYTES:
        raise InvalidBundle(
            f"The file name {name[:40]!r}… has more than {MAX_PATH_BYTES:,} bytes with its folders: shorten it"
        )
    if longest > MAX_FILE_NAME_BYTES:
        raise InvalidBundle(
            f"The file name {name[:40]!r}… has {longest} bytes, and the maximum is {MAX_FILE_NAME_BYTES}: shorten it"
        )


def require_flat_name(name: str) -> None:
    """Check that *name* is at the first level of the zip."""
    if "/" in name:
        raise InvalidBundle(f"{name!r} lies in a nested folder, and the zip has to be flat. {FLATTEN_HINT}")


def require_entry_count(count: int) -> None:
    """Check that there is an entry, and not more than `MAX_ENTRIES`."""
    if not count:
        raise InvalidBundle("The zip is empty: there is no code in it to run")
    if count > MAX_ENTRIES:
        raise InvalidBundle(
            f"The zip has {count:,} entries, and the maximum is {MAX_ENTRIES:,}: data belongs in the object store"
        )


def require_distinct_names(names: Iterable[str]) -> None:
    """Check that no name is there twice, and that no name is that of a file and of a folder."""
    seen: set[str] = set()
    files: set[str] = set()
    folders: set[str] = set()
    for name in names:
        if name in seen:
            raise InvalidBundle(f"{name!r} is in the zip twice: leave one of the two out")
        seen.add(name)
        components = name.removesuffix("/").split("/")
        folders.update("/".join(components[:depth]) for depth in range(1, len(components)))
        (folders if name.endswith("/") else files).add(name.removesuffix("/"))
    if both := files & folders:
        raise InvalidBundle(f"{min(both)!r} is in the zip as a file and as a folder: rename one of them")


def require_safe_entries(entries: Sequence[zipfile.ZipInfo], *, allow_nested: bool, unpacked_limit: int) -> None:
    """
    Check that the list of entries declares an archive that can be unpacked safely.

    The list may be wrong: the caller counts the unpacked bytes again.

    :param unpacked_limit: maximum of the unpacked bytes of all files.
    """
    require_entry_count(len(entries))
    for entry in entries:
        # `filename` ends at a NUL; `orig_filename` is the name in the zip.
        require_safe_name(entry.orig_filename)
        # Newer versions of Python read another `filename` from an extra field (Unicode path of Info-ZIP).
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
    """Check that the *size* of the unpacked files is not above *limit*, both in bytes."""
    if size > limit:
        raise InvalidBundle(
            f"The zip unpacks to more than {limit:,} bytes, the maximum: leave out everything that is not code; data "
            "belongs in the object store"
        )


def _require_supported_entry(entry: zipfile.ZipInfo) -> None:
    name = entry.filename
    if entry.flag_bits & 0x1:
        raise InvalidBundle(
            f"{name!r} is encrypted, and cannot be unpacked without a password: zip it without encryption"
        )
    if entry.compress_type not in COMPRESSION_METHODS:
        raise InvalidBundle(
            f"{name!r} is compressed by method {entry.compress_type}, which is not supported: zip it with the usual "
            "method (deflate)"
        )
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind == stat.S_IFLNK:
        raise InvalidBundle(f"{name!r} is a symbolic link: put the file itself into the zip (zip without -y)")
    if kind not in {0, stat.S_IFDIR if entry.is_dir() else stat.S_IFREG}:
        raise InvalidBundle(f"{name!r} is neither a file nor a folder (a device, a pipe?): leave it out")
