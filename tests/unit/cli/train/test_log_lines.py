"""The log of a training as it arrives."""

from __future__ import annotations

from airflow_dlaas.cli.train.log_lines import MAX_OPEN_CHARACTERS, LogLines


def test_lines_are_complete_however_the_text_is_cut() -> None:
    lines = LogLines()
    assert lines.feed("first\nsec") == ["first"]
    assert lines.current == "sec"
    assert lines.feed("ond\n\n") == ["second", ""]
    assert lines.rest() == []


def test_redrawn_line_is_shown_in_its_newest_state_and_printed_once() -> None:
    lines = LogLines()
    assert lines.feed("\r10%") == []
    assert lines.feed("\r20%\r30%") == []
    assert lines.current == "30%"
    assert lines.feed("\r100%\ndone\n") == ["100%", "done"]
    assert lines.current == ""


def test_control_characters_do_not_reach_the_terminal() -> None:
    lines = LogLines()
    assert lines.feed("\x1b[31mred\x1b[0m\x1b]0;title\x07 \x07bell\n") == ["red \\x07bell"]
    lines.feed("\x1b[2Jwipe")
    assert lines.current == "wipe"


def test_rest_is_the_line_without_an_end() -> None:
    lines = LogLines()
    lines.feed("no newline")
    assert lines.rest() == ["no newline"]
    assert lines.rest() == []


def test_line_that_is_redrawn_without_end_takes_limited_memory() -> None:
    lines = LogLines()
    for number in range(10_000):
        lines.feed(f"\r{number:>20}")
    assert lines.current.strip() == "9999"
    assert len(lines._open) <= MAX_OPEN_CHARACTERS
