"""Commands for the example DAGs that come with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from airflow_dlaas.cli.command_help import HelpPanel, add_command, format_examples
from airflow_dlaas.cli.output import Column, JsonOption, print_json, print_line, print_table

group = typer.Typer(help="The example DAGs.", no_args_is_help=True)

NEXT_STEPS = """
What is left to do where Airflow runs (the service wrote the file of the connections when it started):
  pip install "airflow-dlaas[examples]"
  airflow connections import ~/.airflow-dlaas/connections.json
  airflow dags reserialize
"""

RUN = """  airflow dags unpause {name}
  airflow dags trigger {name}
"""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    add_command(
        group,
        list_examples,
        name="list",
        examples=("airflow-dlaas examples list", "airflow-dlaas examples list --json"),
    )
    add_command(
        group,
        copy,
        examples=("airflow-dlaas examples copy ~/airflow/dags", "airflow-dlaas examples copy dags nightly_retrain"),
    )
    app.add_typer(
        group,
        name="examples",
        rich_help_panel=str(HelpPanel.AIRFLOW),
        epilog=format_examples("airflow-dlaas examples copy ~/airflow/dags"),
    )


def list_examples(as_json: JsonOption = False) -> None:
    """List the examples."""
    from airflow_dlaas.demo import example_dags

    found = example_dags.list_examples()
    if as_json:
        print_json({"examples": [{"name": one.name, "summary": one.summary} for one in found]})
        return
    print_table([Column("NAME"), Column("WHAT IT DOES", cut=True)], [(one.name, one.summary) for one in found])


def copy(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A dags folder, or a folder in it.")],
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="The example; all if not given.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that differ from the example.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Copy an example, with all that it needs, to a folder of its name in DIR."""
    from airflow_dlaas.demo.example_dags import copy_examples, find_examples

    directory = directory.expanduser()
    written = copy_examples(find_examples(name), directory, force=force)
    if as_json:
        print_json({"copied": [{"folder": str(directory / one), "files": files} for one, files in written.items()]})
        return
    for one, files in written.items():
        print_line(f"{directory / one}: {files} files copied" if files else f"{directory / one}: unchanged")
    typer.echo(NEXT_STEPS + "".join(RUN.format(name=one) for one in written), nl=False)
