"""The commands of the console are imported when they are used."""

from __future__ import annotations

import subprocess
import sys

import pytest

from airflow_dlaas.cli.lazy_commands import COMMAND_MODULES, LazyCommands


@pytest.mark.parametrize("name", COMMAND_MODULES)
def test_each_command_is_in_its_module(name: str) -> None:
    assert LazyCommands()[name].name == name


def test_unknown_command_is_none() -> None:
    assert LazyCommands().get("frobnicate") is None


def test_one_command_does_not_import_another_one() -> None:
    code = """
import sys
from airflow_dlaas.cli.lazy_commands import LazyCommands
LazyCommands()["version"]
print(*(name for name in sys.modules if name.startswith("airflow_dlaas.service") or name.endswith("cli.runs")))
"""
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == ""
