"""The log of a training in a terminal, and in a pipe or a file."""

from __future__ import annotations

import pytest

from airflow_dlaas.cli.log_output import (
    MAX_PARTIAL_LINE,
    STATE_INTERVAL,
    LogOutput,
    PlainLog,
    TerminalLog,
    terminal_text,
)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("line\n", "line\n"),
        ("tab\tGröße\n", "tab\tGröße\n"),
        ("\x1b[1;32mok\x1b[0m\n", "\x1b[1;32mok\x1b[0m\n"),
        ("\r50%", "\r\x1b[K50%"),
        ("windows\r\n", "windows\n"),
        ("1/9\b\b\b\r2/9", "1/9\r\x1b[K2/9"),
        ("\x1b[2J\x1b[Atop\x1b[2K\x1b[?25l\n", "top\n"),
        ("\x1b]0;title\x07\n", r"\x1b]0;title\x07" + "\n"),
        ("\x1bc\x9b2J\x07\x00\u202e", r"\x1bc\x9b2J\x07\x00\u202e"),
        ("a\x1b[31", r"a\x1b[31"),
    ],
)
def test_terminal_receives_redraws_and_colours_only(text: str, printed: str) -> None:
    assert terminal_text(text) == printed


def test_terminal_has_its_colours_and_a_new_line_at_the_end() -> None:
    log = TerminalLog()
    assert log.feed("\x1b[31mred\n", 0) + log.finish() == "\x1b[31mred\n\x1b[0m"
    log = TerminalLog()
    assert log.feed("\r50%", 0) + log.finish() == "\r\x1b[K50%\n"
    assert TerminalLog().finish() == ""


@pytest.mark.parametrize(
    ("texts", "printed"),
    [
        (["one\ntwo\n"], "one\ntwo\n"),
        (["half", " a line\n"], "half a line\n"),
        (["\r1%", "\r2%", "\r3%\n", "end\n"], "3%\nend\n"),
        (["\r1%", "\r2%\x1b[0m"], "2%\n"),
        (["\x1b[32mok\x1b[0m\x07\n"], "ok\\x07\n"),
        (["\n", "\n"], "\n\n"),
        (["one\n\r1%", "\n\n"], "one\n1%\n\n"),
        (["x" * MAX_PARTIAL_LINE, "yz", "\n"], "x" * MAX_PARTIAL_LINE + "yz\n"),
        ([], ""),
    ],
)
def test_pipe_receives_each_line_once_with_its_newest_state(texts: list[str], printed: str) -> None:
    log = PlainLog()
    assert "".join(log.feed(text, 0) for text in texts) + log.finish() == printed


def test_state_of_a_long_bar_is_printed_from_time_to_time() -> None:
    log = PlainLog()
    seen = [log.feed(f"\r{second}%", second) for second in range(25)]
    seen += [log.feed("\n", 25), log.feed("end\n", 26), log.finish()]
    assert [text for text in seen if text] == [f"{STATE_INTERVAL:.0f}%\n", "20%\n", "24%\n", "end\n"]


def test_state_that_was_printed_is_not_printed_again() -> None:
    log = PlainLog()
    seen = [
        log.feed("\r99%", 0),
        log.feed("\r100%", 20),
        log.feed("\r100%", 40),
        log.feed("\r100%\n", 41),
        log.finish(),
    ]
    assert seen == ["", "100%\n", "", "", ""]


def test_partial_line_of_a_long_bar_stays_short() -> None:
    log = PlainLog()
    for state in range(50_000):
        assert log.feed(f"\r{state} of 50000", 0) == ""
    assert log.finish() == "49999 of 50000\n"
    for state in range(50_000):
        log.feed(f"\r{state} of 50000", 0)
    assert len(log._partial_line) <= MAX_PARTIAL_LINE + 20


def test_log_that_goes_to_no_terminal_is_plain(capsys: pytest.CaptureFixture[str]) -> None:
    with LogOutput() as output:
        output.print_log_text("\x1b[32mone\x1b[0m\n\r1%")
        output.print_log_text("\r2%")
    assert capsys.readouterr().out == "one\n2%\n"
    with LogOutput(err=True) as output:
        output.print_log_text("one\n")
    assert capsys.readouterr().err == "one\n"
