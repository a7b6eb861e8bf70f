"""An object whose parts have no known MD5 is compared by the ETag that their MD5s make, however the parts arrived."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from airflow_dlaas.exceptions import Corrupted
from airflow_dlaas.storage.object_store import ObjectLayout, Part
from airflow_dlaas.storage.segments import multipart_etag
from airflow_dlaas.storage.transfer.part_file import PartFile, find_part_files

CONTENT = b"first part|second part|end"
PARTS = (Part(0, 11), Part(11, 12), Part(23, 3))
ETAG = multipart_etag(
    [hashlib.md5(CONTENT[one.start : one.start + one.size], usedforsecurity=False).hexdigest() for one in PARTS]
)
LAYOUT = ObjectLayout(len(CONTENT), ETAG, None, PARTS)


def opened(target: Path, missing: list[int]) -> PartFile:
    file = PartFile(target, LAYOUT, PARTS)
    assert file.missing_parts() == missing
    return file


def arrive(file: PartFile, *numbers: int, content: bytes = CONTENT, chunk_size: int = 4) -> None:
    for number in numbers:
        part = PARTS[number]
        for start in range(part.start, part.start + part.size, chunk_size):
            file.write(start, content[start : min(start + chunk_size, part.start + part.size)])
        file.mark_done(number)


def test_parts_that_arrived_in_any_order_make_the_file(tmp_path: Path) -> None:
    file = opened(tmp_path / "target", [0, 1, 2])
    arrive(file, 2, 0, 1)
    file.commit()
    assert (tmp_path / "target").read_bytes() == CONTENT
    assert not find_part_files(tmp_path / "target")


def test_parts_of_an_earlier_attempt_count(tmp_path: Path) -> None:
    first = opened(tmp_path / "target", [0, 1, 2])
    arrive(first, 1)
    first.close()
    second = opened(tmp_path / "target", [0, 2])
    arrive(second, 0, 2)
    second.commit()
    assert (tmp_path / "target").read_bytes() == CONTENT


def test_part_that_begins_again_replaces_what_had_arrived(tmp_path: Path) -> None:
    file = opened(tmp_path / "target", [0, 1, 2])
    file.write(0, b"other")
    arrive(file, 0, 1, 2)
    file.commit()
    assert (tmp_path / "target").read_bytes() == CONTENT


@pytest.mark.parametrize("is_earlier", [False, True])
def test_damaged_part_is_found(tmp_path: Path, is_earlier: bool) -> None:
    file = opened(tmp_path / "target", [0, 1, 2])
    arrive(file, 1, content=CONTENT.replace(b"second", b"secomd"))
    if is_earlier:
        file.close()
        file = opened(tmp_path / "target", [0, 2])
    arrive(file, 0, 2)
    with pytest.raises(Corrupted, match="target did not arrive as it was stored"):
        file.commit()
    assert not list(tmp_path.iterdir())
