"""The command `train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from airflow_dlaas.cli.command_help import HelpPanel, add_command
from airflow_dlaas.cli.connection_options import ConnectionOption, HomeOption
from airflow_dlaas.contract.definition import ResourceType

HELP = """
Train a model: upload what changed, submit, follow, and fetch the model.

SOURCE is a folder of code, or a zip of one; a .dlaasignore in it excludes files. The command finds the data in \
$DATA_DIR and leaves its model in $RESULT_DIR/model. Everything that can be checked is checked before anything is \
uploaded.

The exit code is 0 after a completed training, 3 after a failed one and 4 after a canceled one. Ctrl-C ends only this \
command (exit code 130): the training goes on.
"""

EXAMPLES = (
    'airflow-dlaas train ./code --command "python train.py" --framework torch \\',
    "    --data ./digits --follow",
    'airflow-dlaas train . --command "python train.py" --framework torch:2.13 \\',
    "    --container digits --size medium --output ./model",
    'id=$(airflow-dlaas train ./code --command "python train.py" \\',
    "    --framework torch --data ./digits --detach)",
)

DATA = "Data and results"
CODE = "Code"
WHILE = "While it runs, and afterwards"
"""The panels of the help."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    add_command(app, train, HelpPanel.TRAININGS, examples=EXAMPLES, help_text=HELP)


def train(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="The folder of the code, or a zip of it.")],
    command: Annotated[str, typer.Option(help="What the training runs, in the folder of its code.")],
    framework: Annotated[
        str,
        typer.Option(metavar="NAME[:VERSION]", help="As airflow-dlaas runtimes lists them; no version: the newest."),
    ],
    data: Annotated[
        list[Path] | None,
        typer.Option(
            help="A folder or file of training data; only what changed is uploaded. May be repeated.",
            rich_help_panel=DATA,
        ),
    ] = None,
    container: Annotated[
        list[str] | None,
        typer.Option(
            help="The container of the data, default: the name of the folder; without --data, an existing one. May be "
            "repeated, in the order of --data.",
            rich_help_panel=DATA,
        ),
    ] = None,
    delete: Annotated[
        bool,
        typer.Option(
            "--delete",
            help="Delete objects of the container that are not in the folder of --data.",
            rich_help_panel=DATA,
        ),
    ] = False,
    allow_extra: Annotated[
        bool,
        typer.Option(
            "--allow-extra",
            help="Use objects of the container that are not in the folder of --data.",
            rich_help_panel=DATA,
        ),
    ] = False,
    results: Annotated[
        str | None,
        typer.Option(
            metavar="CONTAINER", help="The container of the results. Default: that of the data.", rich_help_panel=DATA
        ),
    ] = None,
    size: Annotated[ResourceType, typer.Option(help="GPUs: small has 1, medium 2, large 3.")] = ResourceType.SMALL,
    name: Annotated[
        str | None, typer.Option(help="The name of the training and of its experiment. Default: that of SOURCE.")
    ] = None,
    author: Annotated[str | None, typer.Option(help="The author of the code.")] = None,
    description: Annotated[str, typer.Option(help="A description of the training.")] = "",
    follow: Annotated[
        bool,
        typer.Option(
            "--follow/--detach",
            help="Follow the training to its end, or print its id and leave it alone.",
            rich_help_panel=WHILE,
        ),
    ] = True,
    metric: Annotated[
        str | None,
        typer.Option(
            help="The metric to plot, such as accuracy or validation/loss. Default: the loss.", rich_help_panel=WHILE
        ),
    ] = None,
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet", "-q", help="Leave out the log; after a failure, print its last lines.", rich_help_panel=WHILE
        ),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The folder of the model. Default: TRAINING_ID/model.", rich_help_panel=WHILE),
    ] = None,
    no_fetch: Annotated[
        bool, typer.Option("--no-fetch", help="Do not fetch the model.", rich_help_panel=WHILE)
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files in the folder of the model.", rich_help_panel=WHILE)
    ] = False,
    cancel_on_interrupt: Annotated[
        bool, typer.Option("--cancel-on-interrupt", help="Cancel the training at Ctrl-C.", rich_help_panel=WHILE)
    ] = False,
    exclude: Annotated[
        list[str] | None,
        typer.Option(help="Names or globs of files to leave out of the code; may be repeated.", rich_help_panel=CODE),
    ] = None,
    allow_nested: Annotated[
        bool,
        typer.Option("--allow-nested", help="Accept folders in the code, for packages.", rich_help_panel=CODE),
    ] = False,
    allow_secrets: Annotated[
        list[str] | None,
        typer.Option(
            help="Names or globs of files to pack although they look like secrets; may be repeated.",
            rich_help_panel=CODE,
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be done and the definition; change nothing.")
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", help="Print the training as JSON at the end; the log goes to stderr.", rich_help_panel=WHILE
        ),
    ] = False,
    connection: ConnectionOption = None,
    home: HomeOption = None,
) -> None:
    """Collect the options, and run."""
    from airflow_dlaas.cli.train.options import CodeSource, DataOptions, FollowOptions, TrainOptions, pair_data
    from airflow_dlaas.cli.train.output import make_output
    from airflow_dlaas.cli.train.run import TrainRun

    options = TrainOptions(
        code=CodeSource(source, tuple(exclude or ()), allow_nested, tuple(allow_secrets or ())),
        command=command,
        framework=framework,
        data=pair_data(data or [], container or []),
        data_options=DataOptions(delete, allow_extra),
        results=results,
        name=name,
        size=str(size),
        author=author,
        description=description,
        connection=connection,
        output=output,
        home=home,
    )
    follow_options = FollowOptions(
        follow=follow,
        fetch=not no_fetch,
        quiet=quiet,
        json=as_json,
        metric=metric,
        cancel_on_interrupt=cancel_on_interrupt,
        overwrite=overwrite,
    )
    run = TrainRun(options, follow_options, make_output(as_json=as_json, quiet=quiet))
    raise typer.Exit(run.run(dry_run=dry_run))
