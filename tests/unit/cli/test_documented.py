"""docs/console.md and the help texts are complete."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from airflow_dlaas.cli.app import app
from airflow_dlaas.cli.command_help import EXAMPLES_TITLE
from airflow_dlaas.cli.exit_codes import ExitCode

DOCUMENT = (Path(__file__).parents[3] / "docs" / "console.md").read_text(encoding="utf-8")

WITHOUT_JSON = {
    *("logs", "serve", "demo", "runtimes prepare", "users add", "users remove"),
    *("drain on", "drain off", "gpus cordon", "gpus uncordon", "keys rotate"),
}
"""Commands that print neither a list nor an object: a log, or one sentence."""


def all_commands() -> Iterator[tuple[str, Any]]:
    """Yield the name and the command of every command, and of every group that is a command itself."""

    def walk(group: Any, path: str) -> Iterator[tuple[str, Any]]:
        for name, command in group.commands.items():
            full_name = f"{path} {name}".strip()
            if not getattr(command, "commands", None):
                yield full_name, command
                continue
            if command.invoke_without_command:
                yield full_name, command
            yield from walk(command, full_name)

    yield from walk(typer.main.get_command(app), "")


COMMANDS = dict(all_commands())


@pytest.mark.parametrize("name", COMMANDS)
def test_command_is_documented_with_examples_that_call_it(name: str) -> None:
    assert re.search(rf"^\| `airflow-dlaas {name}[ `]", DOCUMENT, re.MULTILINE), name
    title, *examples = (COMMANDS[name].epilog or "").splitlines()
    assert EXAMPLES_TITLE in title
    assert examples
    assert all(f"airflow-dlaas {name}" in example for example in examples[:1])
    assert all(len(example) <= 78 for example in examples), "an example of a terminal with 80 columns is one line"


@pytest.mark.parametrize("name", COMMANDS)
def test_help_can_be_printed_with_all_it_names(name: str) -> None:
    """A bracket in a text of the help is the markup of a style, unless it is escaped."""
    result = CliRunner().invoke(app, [*name.split(), "--help"], env={"COLUMNS": "300"})
    assert result.exit_code == 0, result.exception
    if name == "train":
        assert "s3://[CONNECTION@]BUCKET[/FOLDER]" in result.stdout


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - WITHOUT_JSON))
def test_command_with_a_result_has_json(name: str) -> None:
    assert any("--json" in parameter.opts for parameter in COMMANDS[name].params)
    documents = DOCUMENT[DOCUMENT.index("prints one JSON document") :]
    assert re.search(rf"^\|[^|]*`{name}`", documents, re.MULTILINE), name


def test_document_has_no_command_that_does_not_exist() -> None:
    documented = set(re.findall(r"^\| `airflow-dlaas ([a-z ]+?)(?: [A-Z]| ?`)", DOCUMENT, re.MULTILINE))
    assert documented == set(COMMANDS)


def test_table_of_exit_codes_is_that_of_the_code() -> None:
    table = re.findall(r"^\| (\d+) \| `([A-Z_]+)` \|", DOCUMENT, re.MULTILINE)
    assert table == [(str(int(code)), code.name) for code in ExitCode]


def test_every_command_is_in_a_panel_of_the_help() -> None:
    assert all(command.rich_help_panel for command in typer.main.get_command(app).commands.values())  # type: ignore[attr-defined]
