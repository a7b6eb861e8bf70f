"""
The commands of the console, each imported when it is used.

Without this, every command would wait for the imports of all others, which take longer than most commands.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import typer

COMMAND_MODULES: Mapping[str, str] = {
    "train": "train.command",
    "submit": "definitions",
    "validate": "definitions",
    "runs": "runs",
    "show": "show",
    "logs": "logs",
    "metrics": "metrics",
    "cancel": "cancel",
    "fetch": "fetch",
    "annotate": "annotate",
    "delete": "delete",
    "results": "prune_results",
    "experiments": "experiments",
    "upload": "data",
    "download": "data",
    "data": "data_versions",
    "serve": "serve",
    "runtimes": "runtimes",
    "environments": "environments",
    "cache": "cache",
    "usage": "usage",
    "users": "users",
    "drain": "maintenance",
    "gpus": "maintenance",
    "backup": "operate",
    "restore": "operate",
    "keys": "operate",
    "doctor": "doctor.command",
    "demo": "demo",
    "examples": "examples",
    "version": "version",
}
"""The module of each command below this package, in the order of the help."""


class LazyCommands(Mapping[str, Any]):
    """Typer's commands by name. Names are known without an import; a command is imported when it is read."""

    def __getitem__(self, name: str) -> Any:
        """Return the command *name*."""
        return _load_commands(COMMAND_MODULES[name])[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names, in the order of the help."""
        return iter(COMMAND_MODULES)

    def __len__(self) -> int:
        """Return the number of the commands."""
        return len(COMMAND_MODULES)


@cache
def _load_commands(module_name: str) -> Mapping[str, Any]:
    """Import a module, and return the commands that it registers."""
    app = typer.Typer(rich_markup_mode="rich", pretty_exceptions_enable=False)
    importlib.import_module(f"airflow_dlaas.cli.{module_name}").register(app)
    return typer.main.get_group(app).commands
