from __future__ import annotations

from pathlib import Path

import pytest

from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.learner.disk_room import DiskSpace, RoomNeeded, disk_space, require_room

ONE, TWO = Path("/data/one"), Path("/data/two")


def test_needs_on_one_disk_are_added_up() -> None:
    with pytest.raises(HostError, match=r"/data/one and /data/two: 5 bytes are missing\. It needs 15 bytes, and 10"):
        require_room([RoomNeeded(ONE, 8), RoomNeeded(TWO, 7)], lambda _: DiskSpace(1, 10))


def test_needs_on_several_disks_are_compared_with_each() -> None:
    require_room([RoomNeeded(ONE, 8), RoomNeeded(TWO, 7)], lambda path: DiskSpace(hash(path), 10))


def test_folder_that_does_not_exist_is_on_the_disk_of_its_parent(tmp_path: Path) -> None:
    assert disk_space(tmp_path / "a" / "b").device == tmp_path.stat().st_dev
