"""Incremental reads of a growing file."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_dlaas.service.api.file_follower import CHUNK_SIZE, FileFollower, tail_offset


def test_incomplete_line_is_held_back_until_the_file_has_ended(tmp_path: Path) -> None:
    log = tmp_path / "log"
    follower = FileFollower(log)
    assert follower.read(ended=False) == b""
    log.write_bytes(b"one\ntw")
    assert follower.read(ended=False) == b"one\n"
    assert follower.read(ended=False) == b""
    log.write_bytes(b"one\ntwo")
    assert follower.read(ended=True) == b"two"
    assert follower.offset == 7


def test_long_log_is_read_in_chunks_of_whole_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    content = b"".join(b"line %d of the log\n" % number for number in range(20_000))
    log.write_bytes(content)
    follower, pieces = FileFollower(log), []
    while piece := follower.read(ended=True):
        pieces.append(piece)
    assert b"".join(pieces) == content
    assert all(len(piece) <= CHUNK_SIZE and piece.endswith(b"\n") for piece in pieces)


def test_line_longer_than_a_chunk_is_cut_between_characters(tmp_path: Path) -> None:
    log = tmp_path / "log"
    text = "x" + "ä€😀" * 30_000
    log.write_text(text, encoding="utf-8")
    follower, pieces = FileFollower(log), []
    while piece := follower.read(ended=True):
        pieces.append(piece.decode("utf-8"))
    assert "".join(pieces) == text


def test_invalid_utf8_does_not_stop_the_reading(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"\x80" * (CHUNK_SIZE + 5))
    follower = FileFollower(log)
    assert len(follower.read(ended=True)) + len(follower.read(ended=True)) == CHUNK_SIZE + 5


@pytest.mark.parametrize("ending", [b"\n", b""])
@pytest.mark.parametrize(("lines", "first"), [(0, None), (1, 9_999), (3, 9_997), (9_999, 1), (10_000, 0), (20_000, 0)])
def test_tail_offset_is_the_first_of_the_last_lines(
    tmp_path: Path, lines: int, first: int | None, ending: bytes
) -> None:
    log = tmp_path / "log"
    content = b"\n".join(b"line %d" % number for number in range(10_000)) + ending
    log.write_bytes(content)
    expected = b"" if first is None else b"\n".join(b"line %d" % number for number in range(first, 10_000)) + ending
    assert content[tail_offset(log, lines) :] == expected


def test_tail_offset_of_an_empty_file_is_zero(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert tail_offset(tmp_path / "empty", 5) == 0
    assert tail_offset(tmp_path / "missing", 5) == 0
