"""Text for a terminal, made plain."""

from __future__ import annotations

import pytest

from airflow_dlaas._util.terminal_text import collapse_redraws, escape_control_characters, plain_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("digits", "digits"),
        ("a\x1b[2Jb", r"a\x1b[2Jb"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("a\rb", r"a\rb"),
        ("abc\u202etxt.exe", r"abc\u202etxt.exe"),
        ("\x9b31m", r"\x9b31m"),
        ("tab\tand\nline", "tab\tand\nline"),
        ("Größe 4 µ", "Größe 4 µ"),
    ],
)
def test_control_characters_are_shown_as_escapes(text: str, expected: str) -> None:
    assert escape_control_characters(text) == expected


def test_single_line_has_no_newline_and_no_tab() -> None:
    assert escape_control_characters("a\nb\tc", single_line=True) == r"a\nb\tc"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10%\r20%\r30%\n", "30%\n"),
        ("\r10%\r20%", "20%"),
        ("done\r\nnext\r\n", "done\nnext\n"),
        ("100%\r\n", "100%\n"),
        ("90%\r100%\r\nlog", "100%\nlog"),
        ("50%\r", "50%"),
        ("plain\n", "plain\n"),
        ("1/9 [=>.]\b\b\b\b\b\b\b\b\b\r2/9 [==>]\b\b\b\b\b\b\b\b\b", "2/9 [==>]"),
        ("done\r\b\b\b\b\r\n", "done\n"),
    ],
)
def test_redrawn_line_is_shown_in_its_newest_state(text: str, expected: str) -> None:
    assert collapse_redraws(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[32mok\x1b[0m\n", "ok\n"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b[A\x1b[2K 10%|#| 1/10\r 20%|##| 2/10", " 20%|##| 2/10"),
        ("bell\x07", r"bell\x07"),
        ("alone \x1b", r"alone \x1b"),
    ],
)
def test_plain_text_has_no_colours_and_no_control_characters(text: str, expected: str) -> None:
    assert plain_text(text) == expected
