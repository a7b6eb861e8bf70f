from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from airflow_dlaas.service.learner.cap import Cap, capped
from airflow_dlaas.service.learner.follow import BACKLOG, Tail

LAST = "\n[dlaas] The log ends here: it may have 10 bytes; the command goes on\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log"
    path.touch()
    return path


def test_a_log_within_its_limit_is_left_alone(log: Path) -> None:
    log.write_text("0123456789")
    Cap(log, 10).cut()
    assert log.read_text() == "0123456789"


def test_what_is_too_much_is_cut_off_again_and_again_and_said_once(log: Path) -> None:
    cap = Cap(log, 10)
    with log.open("a") as command:
        for text in ("0123456789A", "BCD" * 100, "E"):
            command.write(text)
            command.flush()
            cap.cut()
            assert log.read_text() == "0123456789" + LAST


def test_the_writer_neither_fails_nor_waits_and_the_disk_stays_free(log: Path) -> None:
    begun = time.monotonic()
    with capped(log, 10, pytest.fail), log.open("ab") as output:
        writer = subprocess.run(["dd", "if=/dev/zero", "bs=1M", "count=2000", "status=none"], stdout=output)
    assert writer.returncode == 0
    assert log.stat().st_blocks * 512 < 100_000
    assert time.monotonic() - begun < 60
    assert log.read_bytes() == b"\0" * 10 + LAST.encode()


def test_a_log_that_goes_away_is_complained_about_and_stops_nothing(log: Path) -> None:
    said: list[str] = []
    with capped(log, 10, said.append):
        log.unlink()
    assert said == ["The log is not kept within its limit any more: No such file or directory"]


def test_a_reader_that_was_beyond_the_cut_reads_on_from_there(log: Path) -> None:
    tail = Tail(log)
    log.write_text("a\n" * 100)
    assert len(list(tail.lines())) == 100
    log.write_text("a\n" * 10)
    assert list(tail.lines()) == []
    with log.open("a") as command:
        command.write("new\n")
    assert list(tail.lines()) == ["new"]


def test_of_a_flood_only_the_end_is_read(log: Path) -> None:
    tail = Tail(log)
    log.write_bytes(b"x" * 99 + b"\n" + (b"y" * 99 + b"\n") * (2 * BACKLOG // 100) + b"last\n")
    lines = list(tail.lines())
    assert len(lines) < BACKLOG // 100 + 2
    assert lines[-1] == "last"
