from __future__ import annotations

from pathlib import Path

import pytest

from airflow_dlaas.service.learner.tail_reader import MAX_LINE_BYTES, TailReader


class Log:
    """A log that a writer appends to, and its reader."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)
        self._tail = TailReader(path)

    def read(self, written: bytes, *, final: bool = False) -> list[str]:
        """Return the new states, with a ``~`` before one that is redrawn."""
        self._file.write(written)
        return [f"{'~' if is_redrawn else ''}{text}" for text, is_redrawn in self._tail.read_states(final=final)]

    def close(self) -> None:
        self._file.close()


@pytest.fixture
def log(tmp_path: Path):
    opened = Log(tmp_path / "log")
    yield opened
    opened.close()


def test_newest_state_of_a_line_is_read_before_the_line_ends(log: Log) -> None:
    assert log.read(b"Epoch 1\n\r1/3 loss=3") == ["Epoch 1", "~1/3 loss=3"]
    assert log.read(b"") == []
    assert log.read(b"\r2/3 loss=2\r3/3 loss=1") == ["~2/3 loss=2", "~3/3 loss=1"]
    assert log.read(b"\nnext\n") == ["3/3 loss=1", "next"]


def test_state_before_the_first_carriage_return_is_read_once_the_next_one_is_there(log: Log) -> None:
    assert log.read(b"1% loss=3") == []
    assert log.read(b"\r2% loss=2") == ["~1% loss=3", "~2% loss=2"]
    assert log.read(b"", final=True) == ["2% loss=2"]


@pytest.mark.parametrize("end", [b"\r\n", b"\r\r\n"])
def test_carriage_return_before_a_newline_is_part_of_the_line_end(log: Log, end: bytes) -> None:
    assert log.read(b"one" + end + b"two" + end[:1]) == ["one"]
    assert log.read(end[1:] + b"three") == ["two"]
    assert log.read(b"", final=True) == ["three"]


def test_last_state_of_a_removed_bar_is_blank(log: Log) -> None:
    assert log.read(b"\r5/5 loss=1\r           \r\n") == ["~5/5 loss=1", "           "]


def test_lines_without_states_have_their_last_state(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"\r1%\r2%\n\r3%")
    assert list(TailReader(path).read_lines()) == ["2%"]
    assert list(TailReader(path).read_lines(final=True)) == ["2%", "3%"]


def test_state_without_end_uses_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"\r" + b"x" * 1_000_000)
    assert [len(text) for text, _ in TailReader(path).read_states()] == [MAX_LINE_BYTES]
