from __future__ import annotations

import contextlib
import logging
import os
import resource
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from airflow_dlaas.service.learner import log_pipe, redraws
from airflow_dlaas.service.learner.log_pipe import PIPE_BYTES, LogPipe
from airflow_dlaas.service.learner.log_writer import LogWriter
from airflow_dlaas.service.learner.secret_mask import SecretMask
from airflow_dlaas.service.learner.tail_reader import MAX_BACKLOG_BYTES, TailReader
from tests.waiting import until

LIMIT_LINE = "\n[dlaas] The log ends here: the limit is 10 bytes. The command continues\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log"


Make = Callable[..., LogWriter]


@pytest.fixture
def make(path: Path, logger: logging.Logger) -> Make:
    return lambda limit=10**9: LogWriter(path, limit, logger)


def test_log_within_its_limit_is_complete(make: Make, path: Path) -> None:
    log = make(10)
    log.write(b"01234")
    log.write(b"56789")
    assert path.read_text() == "0123456789"


def test_output_beyond_the_limit_is_dropped_and_stated_once(make: Make, path: Path) -> None:
    log = make(10)
    for text in (b"0123456789A", b"BCD" * 100, b"E"):
        log.write(text)
        assert path.read_text() == "0123456789" + LIMIT_LINE


def test_log_of_a_further_attempt_continues_that_of_the_earlier_one(make: Make, path: Path) -> None:
    """What was lost is an incomplete line; the limit is one for all attempts."""
    path.write_text("0123\n45")
    log = make(10)
    log.write_message("attempt 2")
    log.write(b"output")
    limit_line = "[dlaas] The log ends here: the limit is 10 bytes. The command continues\n"
    assert path.read_text() == "0123\n45\n[dlaas] attempt 2\n" + limit_line
    next_log = make(10**9)
    next_log.write_message("attempt 3")
    assert path.read_text().endswith(f"{limit_line}[dlaas] attempt 3\n")


def test_messages_start_a_line_and_ignore_the_limit(make: Make, path: Path) -> None:
    log = make(20)
    log.write_message("one\ntwo")
    log.write(b"\r50%")
    log.write_message("canceled")
    assert path.read_bytes() == (
        b"[dlaas] one\n[dlaas] two\n[dlaas] The log ends here: the limit is 20 bytes. The command continues\n"
        b"[dlaas] canceled\n"
    )


def test_message_after_a_progress_bar_starts_a_new_line(make: Make, path: Path) -> None:
    log = make()
    log.write(b"\r50%")
    log.write_message("canceled")
    assert path.read_bytes() == b"\r50%\n[dlaas] canceled\n"


def test_state_that_is_not_due_is_written_before_a_message_and_at_the_end(path: Path, logger: logging.Logger) -> None:
    log = LogWriter(path, 10**9, logger, clock=lambda: 5.0)
    log.write(b"\r1%")
    log.write(b"\r2%")
    assert path.read_bytes() == b"\r1%"
    log.write_message("canceled")
    assert path.read_bytes() == b"\r1%\r2%\n[dlaas] canceled\n"
    log.write(b"\r3%")
    log.close()
    assert path.read_bytes() == b"\r1%\r2%\n[dlaas] canceled\n\r3%"


def test_state_is_written_when_it_is_due(path: Path, logger: logging.Logger) -> None:
    now = 5.0
    log = LogWriter(path, 10**9, logger, clock=lambda: now)
    assert log.write_due_state() is None
    log.write(b"\r1%")
    log.write(b"\r2%")
    assert log.write_due_state() == 1.0
    now = 6.0
    assert log.write_due_state() is None
    assert path.read_bytes() == b"\r1%\r2%"


def test_limit_counts_the_states_that_are_written(path: Path, logger: logging.Logger) -> None:
    log = LogWriter(path, 10, logger, clock=lambda: 5.0)
    for percent in range(100):
        log.write(b"\r%d%%" % percent)
    log.write(b"\n")
    assert path.read_bytes() == b"\r0%\r99%\n"
    log.write(b"\r123\n")
    assert path.read_bytes() == b"\r0%\r99%\n\r1" + LIMIT_LINE.encode()
    assert log.write_due_state() is None


def test_message_shows_control_characters_as_escapes(make: Make, path: Path) -> None:
    make().write_message("not stored: a\x1b]0;title\x07\rb")
    assert path.read_text() == "[dlaas] not stored: a\\x1b]0;title\\x07\\rb\n"


def test_message_may_contain_invalid_utf_8(make: Make, path: Path) -> None:
    make().write_message("caf\udce9")
    assert path.read_text() == "[dlaas] caf\\udce9\n"


def test_full_disk_loses_output_and_the_log_states_how_much(
    make: Make, path: Path, caplog: pytest.LogCaptureFixture
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
    assert caplog.messages == ["The log cannot be written: File too large"]


def test_log_is_not_written_through_a_link(make: Make, path: Path, tmp_path: Path) -> None:
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        make()


def test_pipe_copies_everything_and_ends_with_its_writers(make: Make, path: Path, tmp_path: Path) -> None:
    blob = os.urandom(3 * PIPE_BYTES).replace(b"\r", b"")
    with LogPipe(tmp_path / "output", make()) as pipe:
        other = os.dup(pipe.writer)
        pipe.close_writer()
        with os.fdopen(other, "wb") as writer:
            writer.write(blob)
    assert path.read_bytes() == blob
    assert not (tmp_path / "output").exists()


def test_pipe_writes_the_newest_state_if_nothing_more_is_printed(
    make: Make, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redraws, "REDRAW_INTERVAL", 0.05)  # shorter, so that the test does not wait a second
    with LogPipe(tmp_path / "output", make()) as pipe:
        os.write(pipe.writer, b"\r1%")
        until(path.read_bytes)
        os.write(pipe.writer, b"\r2%\r3%")
        until(path.read_bytes, lambda content: content.endswith(b"\r3%"))


def test_pipe_writes_the_newest_state_at_its_end(
    make: Make, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redraws, "REDRAW_INTERVAL", 3600.0)  # longer than this test may take
    with LogPipe(tmp_path / "output", make()) as pipe:
        os.write(pipe.writer, b"\r1%")
        until(path.read_bytes)
        os.write(pipe.writer, b"\r2%\r3%")
    assert path.read_bytes() == b"\r1%\r3%"


def test_pipe_without_a_name_is_used_if_the_path_is_taken(make: Make, path: Path, tmp_path: Path) -> None:
    (tmp_path / "output").mkdir()  # cannot be unlinked
    with LogPipe(tmp_path / "output", make()) as pipe:
        os.write(pipe.writer, b"printed")
    assert path.read_bytes() == b"printed"


def test_pipe_that_is_open_elsewhere_ends_after_its_content(
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


def test_fast_writer_waits_for_the_log(path: Path, tmp_path: Path) -> None:
    """One read is in memory, however much is printed."""
    gate, sizes = threading.Event(), []

    class Slow(LogWriter):
        def write(self, output: bytes) -> None:
            gate.wait(30)
            sizes.append(len(output))

    with LogPipe(tmp_path / "output", Slow(path, 10**9, logging.getLogger("test"))) as pipe:
        os.set_blocking(pipe.writer, False)
        sent = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                sent += os.write(pipe.writer, bytes(PIPE_BYTES))
        gate.set()
    assert sent <= PIPE_BYTES + 2 * max(sizes)
    assert sum(sizes) == sent


def test_tail_of_a_truncated_file_continues_at_its_new_end(path: Path) -> None:
    tail = TailReader(path)
    path.write_text("a\n" * 100)
    assert len(list(tail.read_lines())) == 100
    path.write_text("a\n" * 10)
    assert list(tail.read_lines()) == []
    with path.open("a") as command:
        command.write("new\n")
    assert list(tail.read_lines()) == ["new"]


def test_tail_reads_only_the_end_of_a_large_backlog(path: Path) -> None:
    tail = TailReader(path)
    path.write_bytes(b"x" * 99 + b"\n" + (b"y" * 99 + b"\n") * (2 * MAX_BACKLOG_BYTES // 100) + b"last\n")
    lines = list(tail.read_lines())
    assert len(lines) < MAX_BACKLOG_BYTES // 100 + 2
    assert lines[-1] == "last"


TOKEN = b"hf_0123456789abcdef"
"""The secret of the tests below."""


@pytest.fixture
def masking(path: Path, logger: logging.Logger) -> LogWriter:
    return LogWriter(path, 10**6, logger, mask=SecretMask.of_values([TOKEN.decode()]), clock=lambda: 5.0)


@pytest.mark.parametrize("size", [1, 7, len(TOKEN) - 1, len(TOKEN), 100])
def test_secret_is_masked_however_the_command_writes_it(masking: LogWriter, path: Path, size: int) -> None:
    text = b"a " + TOKEN + b"\nb\rbar " + TOKEN + b"\rbar done\nend " + TOKEN
    for start in range(0, len(text), size):
        masking.write(text[start : start + size])
        assert TOKEN not in path.read_bytes()
    masking.write_pending_state()
    content = path.read_bytes()
    assert content.startswith(b"a ***\n")
    assert content.endswith(b"end ***")
    assert TOKEN[:6] not in content


def test_secret_stays_masked_when_a_message_comes_between_its_parts(masking: LogWriter, path: Path) -> None:
    masking.write(b"token=" + TOKEN[:9])
    masking.write_message("canceled because of " + TOKEN.decode())
    masking.write(TOKEN[9:] + b"\n")
    assert path.read_bytes() == b"token=\n[dlaas] canceled because of ***\n***\n"


def test_line_that_does_not_end_like_a_secret_is_written_at_once(masking: LogWriter, path: Path) -> None:
    masking.write(b"loss 0.5\n")
    masking.write(b"h")
    assert path.read_bytes() == b"loss 0.5\n"
    masking.write(b"ey!")
    assert path.read_bytes() == b"loss 0.5\nhey!"


def test_limit_never_cuts_a_secret(path: Path, logger: logging.Logger) -> None:
    log = LogWriter(path, 10, logger, mask=SecretMask.of_values([TOKEN.decode()]))
    log.write(b"1234" + TOKEN + TOKEN + TOKEN + b"\n")
    log.write(TOKEN[:9])
    log.write_pending_state()
    assert path.read_bytes() == b"1234******" + LIMIT_LINE.encode()
