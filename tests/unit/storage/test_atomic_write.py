"""Files that appear complete or not at all."""

from __future__ import annotations

import stat
from contextlib import suppress
from pathlib import Path

import pytest

from airflow_dlaas.exceptions import HostError
from airflow_dlaas.storage.atomic_write import atomic_write


def test_atomic_write_shows_the_file_at_the_end_only(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "a") as file:
        file.write(b"new")
        assert not (tmp_path / "a").exists()
    assert (tmp_path / "a").read_bytes() == b"new"
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o644


def test_atomic_write_keeps_the_old_file_after_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"before")
    with suppress(ZeroDivisionError), atomic_write(tmp_path / "a") as file:
        file.write(b"half")
        raise ZeroDivisionError
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"before"]


def test_atomic_write_raises_host_error_for_an_unwritable_path(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(HostError, match="cannot be written"), atomic_write(tmp_path / "folder"):
        pass
    with pytest.raises(HostError, match="cannot be written"), atomic_write(tmp_path / "missing" / "a"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
