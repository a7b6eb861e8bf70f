from __future__ import annotations

import contextlib
import os
import resource
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from airflow_dlaas.service.learner import log_pipe
from airflow_dlaas.service.learner.log_pipe import PIPE_BYTES, LogPipe
from airflow_dlaas.service.learner.log_writer import LogWriter
from airflow_dlaas.service.learner.metrics_collector import MAX_BACKLOG_BYTES, TailReader

LAST = "\n[dlaas] The log ends here: it may have 10 bytes; the command goes on\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def said() -> list[str]:
    return []


Make = Callable[..., LogWriter]


@pytest.fixture
def make(path: Path, said: list[str]) -> Make:
    return lambda limit=10**9: LogWriter(path, limit, said.append)


def test_a_log_within_its_limit_is_whole(make: Make, path: Path) -> None:
    log = make(10)
    log.write(b"01234")
    log.write(b"56789")
    assert path.read_text() == "0123456789"


def test_what_exceeds_the_limit_is_dropped_and_said_once(make: Make, path: Path) -> None:
    log = make(10)
    for text in (b"0123456789A", b"BCD" * 100, b"E"):
        log.write(text)
        assert path.read_text() == "0123456789" + LAST


def test_the_learner_s_own_lines_begin_a_line_and_are_written_beyond_the_limit(make: Make, path: Path) -> None:
    log = make(20)
    log.write_message("one\ntwo")
    log.write(b"\r50%")
    log.write_message("canceled")
    assert path.read_bytes() == (
        b"[dlaas] one\n[dlaas] two\n[dlaas] The log ends here: it may have 20 bytes; the command goes on\n"
        b"[dlaas] canceled\n"
    )


def test_a_line_of_the_learner_s_own_never_ends_a_progress_bar(make: Make, path: Path) -> None:
    log = make()
    log.write(b"\r50%")
    log.write_message("canceled")
    assert path.read_bytes() == b"\r50%\n[dlaas] canceled\n"


def test_a_name_that_is_no_text_can_be_said(make: Make, path: Path) -> None:
    make().write_message("caf\udce9")
    assert path.read_text() == "[dlaas] caf\\udce9\n"


def test_a_disk_without_room_loses_output_says_how_much_and_stops_nothing(
    make: Make, path: Path, said: list[str]
) -> None:
    log = make()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3, hard))
    try:
        for _ in range(3):
            log.write(b"line\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    log.write(b"after\n")
    assert path.read_text() == "lin\n[dlaas] 12 bytes are missing here: File too large\nafter\n"
    assert said == ["The log cannot be written: File too large"]


def test_a_log_is_not_written_through_a_link(make: Make, path: Path, tmp_path: Path) -> None:
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        make()


def test_a_pipe_copies_all_and_ends_with_its_writers(make: Make, path: Path, tmp_path: Path) -> None:
    blob = os.urandom(3 * PIPE_BYTES)
    with LogPipe(tmp_path / "output", make()) as pipe:
        other = os.dup(pipe.writer)
        pipe.close_writer()
        with os.fdopen(other, "wb") as writer:
            writer.write(blob)
    assert path.read_bytes() == blob
    assert not (tmp_path / "output").exists()


def test_where_no_pipe_can_be_named_one_without_a_name_does(make: Make, path: Path, tmp_path: Path) -> None:
    (tmp_path / "output").mkdir()  # cannot be unlinked
    with LogPipe(tmp_path / "output", make()) as pipe:
        os.write(pipe.writer, b"printed")
    assert path.read_bytes() == b"printed"


def test_a_pipe_that_is_still_open_elsewhere_ends_with_what_is_in_it(
    make: Make, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_pipe, "DRAIN_TIMEOUT", 3600.0)  # longer than this test may take
    with LogPipe(tmp_path / "output", make()) as pipe:
        held = os.dup(pipe.writer)
        os.write(held, b"in it")
    assert path.read_bytes() == b"in it"
    with pytest.raises(BrokenPipeError):
        os.write(held, b"too late")
    os.close(held)


def test_a_command_that_prints_faster_than_the_disk_takes_it_waits(path: Path, tmp_path: Path) -> None:
    """What is in memory is one read, however much is printed."""
    gate, sizes = threading.Event(), []

    class Slow(LogWriter):
        def write(self, output: bytes) -> None:
            gate.wait(30)
            sizes.append(len(output))

    with LogPipe(tmp_path / "output", Slow(path, 10**9, [].append)) as pipe:
        os.set_blocking(pipe.writer, False)
        sent = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                sent += os.write(pipe.writer, bytes(PIPE_BYTES))
        gate.set()
    assert sent <= PIPE_BYTES + 2 * max(sizes)
    assert sum(sizes) == sent


def test_a_reader_that_was_beyond_the_cut_reads_on_from_there(path: Path) -> None:
    tail = TailReader(path)
    path.write_text("a\n" * 100)
    assert len(list(tail.read_lines())) == 100
    path.write_text("a\n" * 10)
    assert list(tail.read_lines()) == []
    with path.open("a") as command:
        command.write("new\n")
    assert list(tail.read_lines()) == ["new"]


def test_of_a_flood_only_the_end_is_read(path: Path) -> None:
    tail = TailReader(path)
    path.write_bytes(b"x" * 99 + b"\n" + (b"y" * 99 + b"\n") * (2 * MAX_BACKLOG_BYTES // 100) + b"last\n")
    lines = list(tail.read_lines())
    assert len(lines) < MAX_BACKLOG_BYTES // 100 + 2
    assert lines[-1] == "last"
