"""What of a growing log is complete, and where a part of it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_dlaas.service.api import log_slices
from airflow_dlaas.service.api.file_follower import CHUNK_SIZE, FileFollower
from airflow_dlaas.service.api.log_lines import complete_length, newest_state, part_length


@pytest.mark.parametrize(
    ("content", "complete"),
    [
        (b"one\ntwo", b"one\n"),
        (b"one\n\r10%", b"one\n\r10%"),
        (b"bar: \r10%\r20%", b"bar: \r10%\r20%"),
        (b"\r10%\r", b"\r10%"),
        (b"windows\r", b""),
        (b"windows\r\nnext", b"windows\r\n"),
        (b"\r10%\nnext", b"\r10%\n"),
        ("\r█".encode()[:-1], b"\r"),
        (b"", b""),
    ],
)
def test_lines_and_states_are_complete(content: bytes, complete: bytes) -> None:
    assert content[: complete_length(content)] == complete


@pytest.mark.parametrize(
    ("content", "limit", "part"),
    [
        (b"one\ntwo\nthree", 9, b"one\ntwo\n"),
        (b"\r10%\r20%\r30%", 10, b"\r10%\r20%"),
        (b"\r10%\r20%\r30%", 8, b"\r10%\r20%"),
        (b"one\n\r10%\r20%", 10, b"one\n\r10%"),
        (b"a\r\nb\r\nc", 5, b"a\r\n"),
        (b"a\r\nbcd\r\nc", 6, b"a\r\n"),
        (b"\r10%\ntail of a line", 8, b"\r10%\n"),
        (b"x" * 9, 7, b"x" * 7),
        ("ä€😀".encode(), 8, "ä€".encode()),
        ("😀".encode(), 1, "😀".encode()[:1]),
        (b"\r\r\r\r\r\r", 4, b"\r\r\r\r"),
    ],
)
def test_part_ends_between_lines_or_states(content: bytes, limit: int, part: bytes) -> None:
    assert content[: part_length(content, limit)] == part


@pytest.mark.parametrize(
    ("line", "state"),
    [
        (b"plain\tline\n", ("plain\tline", 0)),
        (b"windows\r\n", ("windows", 0)),
        (b"bar \r10%\r20%\n", ("20%", 8)),
        (b"\r10%\r\x1b[32m20%\x1b[0m\r\x1b[K\n", ("20%", 4)),
        (b"\x1b]0;title\x07a\x07\n", ("a\\x07", 0)),
        (b"\r" * 500 + b"\n", ("", 0)),
        (b"done" + b"\r\x1b[0m" * 500, ("", 4 + 5 * 400)),
    ],
)
def test_newest_state_is_plain_text_with_its_place(line: bytes, state: tuple[str, int]) -> None:
    assert newest_state(line) == state


def test_states_of_a_line_arrive_before_its_newline(tmp_path: Path) -> None:
    log = tmp_path / "log"
    follower, seen = FileFollower(log), []
    with log.open("ab", buffering=0) as file:
        for written in (b"Epoch", b" 1\n", b"\r10%", b"\r20%", b"\n", b"Epoch 2"):
            file.write(written)
            seen.append(follower.read(ended=False))
    assert seen == [b"", b"Epoch 1\n", b"\r10%", b"\r20%", b"\n", b""]


def test_redrawn_line_of_megabytes_is_read_in_whole_states(tmp_path: Path) -> None:
    log = tmp_path / "log"
    content = b"".join(b"\r%07d of 9999999 | loss=0.5" % state for state in range(50_000))
    log.write_bytes(content)
    follower, chunks = FileFollower(log), []
    while chunk := follower.read(ended=False):
        chunks.append(chunk)
    assert b"".join(chunks) == content
    assert all(len(chunk) <= CHUNK_SIZE and chunk.startswith(b"\r") for chunk in chunks)
    slices, start = [], 0
    while start < len(content):
        part = log_slices.read_slice(log, start=start, limit=100_000, ended=False)
        slices.append(part.text)
        start = part.end
    assert "".join(slices).encode() == content
    assert all(len(part) <= 100_000 and part.startswith("\r") for part in slices)
    tail = log_slices.read_tail(log, limit=100_000, ended=False)
    assert tail.text.startswith("\r")
    assert content.endswith(tail.text.encode())
    assert len(tail.text) > 90_000
    # The part before the tail joins it.
    assert log_slices.read_slice(log, start=tail.start - 1000, limit=1000, ended=False).end == tail.start


def test_search_finds_the_newest_state_of_a_line_only(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"start\n\r10% loss\r20% loss\nend\n\r\x1b[32m30%\x1b[0m loss")
    found = log_slices.search(log, "LOSS", start=0).matches
    assert [(one.start, one.line) for one in found] == [(15, "20% loss"), (29, "30% loss")]
    assert log_slices.search(log, "10%", start=0).matches == ()


def test_search_in_a_redrawn_line_of_megabytes_returns_a_short_line(tmp_path: Path) -> None:
    log = tmp_path / "log"
    state = b"\r" + b"x" * 2000
    log.write_bytes(state * 5000 + b" last\n" + b"next last\n")
    found = log_slices.search(log, "last", start=0)
    assert found.matches[-1].line == "next last"
    assert [len(one.line) for one in found.matches] == [log_slices.MAX_LINE_LENGTH, 9]
    assert found.matches[0].start == 2001 * 4999
