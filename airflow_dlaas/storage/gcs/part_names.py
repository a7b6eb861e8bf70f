"""
The names of the temporary objects that a large object is composed of. No I/O.

The parts of ``bucket/name`` are in the same bucket, as the store composes objects of one bucket only: below
``.dlaas-parts/name/dlaas/<size>/<part size>/<upload>/<number>``. They exist while an upload runs, and after an
interrupted one until the next upload of the same name. The id of the upload is new for each upload, so that no upload
overwrites a part that another composes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from airflow_dlaas.contract.store_names import MAX_OBJECT_NAME_BYTES
from airflow_dlaas.exceptions import InvalidName

PARTS_FOLDER = ".dlaas-parts/"
"""The folder of all temporary objects. Listings of a bucket leave it out."""

UNKNOWN_SIZE = 0
"""The size in the names of parts of content that is still being written."""

_PART = re.compile(
    rf"{re.escape(PARTS_FOLDER)}(?P<owner>.+)/dlaas/(?P<size>\d+)/(?P<part_size>\d+)/[0-9a-f]{{16}}/(?P<number>\d{{8}})",
    re.DOTALL,
)

_LEVEL = 10_000_000
"""Numbers of this and more are for objects that are composed of parts."""


def is_part(name: str) -> bool:
    """Whether *name* is a temporary object, or the folder of them."""
    return name.startswith(PARTS_FOLDER)


def part_owner(name: str) -> str | None:
    """Return the name of the object that the temporary object *name* was stored for; None for any other object."""
    match = _PART.fullmatch(name)
    return match["owner"] if match else None


def require_part_names(name: str, size: int, part_size: int) -> None:
    """
    Check the names of the parts of an object.

    :raises InvalidName: the name of the object is too long for the text that is added to it.
    """
    length = len(PartNames(name, size, part_size, "0" * 16).part(0).encode())
    if length > MAX_OBJECT_NAME_BYTES:
        raise InvalidName(
            f"name: {name!r} is large and would be sent in parts, whose names would be {length} bytes long, more than "
            f"{MAX_OBJECT_NAME_BYTES}: shorten the prefix or the folders' names"
        )


@dataclass(frozen=True, slots=True)
class PartNames:
    """The names for the parts of one upload."""

    name: str
    size: int | None
    part_size: int
    upload_id: str

    @property
    def prefix(self) -> str:
        """The prefix of the temporary objects of all uploads of this object."""
        return f"{PARTS_FOLDER}{self.name}/dlaas/"

    def part(self, number: int) -> str:
        """Return the name of a part."""
        size = UNKNOWN_SIZE if self.size is None else self.size
        return f"{self.prefix}{size}/{self.part_size}/{self.upload_id}/{number:08}"

    def joined(self, level: int, number: int) -> str:
        """Return the name of an object that is composed of parts (level 1), or of such objects (level 2 and more)."""
        return self.part(level * _LEVEL + number)

    def part_number(self, name: str) -> int | None:
        """Return the number of the part *name* of an upload that is divided as this one; None for another object."""
        match = _PART.fullmatch(name)
        if match is None or match["owner"] != self.name:
            return None
        number, sizes = int(match["number"]), (int(match["size"]), int(match["part_size"]))
        return number if sizes == (self.size, self.part_size) and number < _LEVEL else None
