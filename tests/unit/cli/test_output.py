"""What the console prints, where stdout is no terminal."""

from __future__ import annotations

import json

import pytest

from airflow_dlaas.cli.output import Cell, Column, print_error, print_fields, print_json, print_line, print_table

NASTY = "a\x1b[2J\rb\x9b\u202e"
SHOWN = r"a\x1b[2J\rb\x9b\u202e"


def test_table_cuts_nothing_and_has_one_line_for_each_row(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(
        [Column("ID", whole=True), Column("NAME", cut=True), Column("NOTE")], [["x" * 100, "y" * 200, "z z " * 50]]
    )
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == f"{'x' * 100} {'y' * 200} {('z z ' * 50).rstrip()}"
    assert len(lines) == 2


@pytest.mark.parametrize("text", [NASTY, "[red]no markup[/red] :smile:"])
def test_every_kind_of_output_shows_control_characters_and_markup_as_text(
    capsys: pytest.CaptureFixture[str], text: str
) -> None:
    print_table([Column("NAME"), Column("STATE")], [[text, Cell(text, "red")]])
    print_fields({"name": text})
    print_line(text)
    print_line(text, err=True)
    print_error(text)
    printed = capsys.readouterr()
    shown = SHOWN if text is NASTY else text
    assert printed.out.count(shown) == 4
    assert printed.err.splitlines() == [shown, f"airflow-dlaas: {shown}"]


def test_line_breaks_of_a_name_do_not_break_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([Column("NAME")], [["a\nb\tc"]])
    assert capsys.readouterr().out == "NAME\na\\nb\\tc\n"


def test_json_has_no_character_that_a_terminal_obeys_and_is_read_back(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({NASTY: [NASTY, "日本"]})
    text = capsys.readouterr().out
    assert not {"\x1b", "\r", "\x9b", "\u202e"} & set(text)
    assert "日本" in text
    assert json.loads(text) == {NASTY: [NASTY, "日本"]}


def test_json_has_texts_for_numbers_that_it_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"values": (float("nan"), float("inf"), [-float("inf")]), "half": 0.5})
    assert json.loads(capsys.readouterr().out) == {"values": ["NaN", "Infinity", ["-Infinity"]], "half": 0.5}


def test_fields_without_a_value_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    print_fields({"id": "x", "note": None, "error": "", "command": "two\nlines " + "w" * 300})
    assert capsys.readouterr().out == f"id       x\ncommand  two\n         lines {'w' * 300}\n"
