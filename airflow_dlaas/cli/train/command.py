"""The command `train`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from airflow_dlaas.cli.command_help import HelpPanel, add_command
from airflow_dlaas.cli.connection_options import ConnectionOption, HomeOption
from airflow_dlaas.cli.train import option_types as types

if TYPE_CHECKING:
    from airflow_dlaas.cli.train.options import DataSource

HELP = """
Train a model: upload what changed, submit, follow, and fetch the model.

SOURCE is a folder of code, or a zip of one; a .dlaasignore in it excludes files. The command finds the data in \
$DATA_DIR and leaves its model in $RESULT_DIR/model. Everything that can be checked is checked before anything is \
uploaded.

With --here, the command runs in this machine at once, without a service and without an object store, in the same way \
as a service would run it; its results are in ./results/ID.

The exit code is 0 after a completed training, 3 after a failed one and 4 after a canceled one. Ctrl-C ends only this \
command (exit code 130): the training goes on. With --here, Ctrl-C cancels the training.
"""

EXAMPLES = (
    'airflow-dlaas train ./code --command "python train.py" --framework torch \\',
    "    --data ./digits --follow",
    'airflow-dlaas train . --command "python train.py" --framework torch:2.13 \\',
    "    --container digits --size medium --output ./model",
    'id=$(airflow-dlaas train ./code --command "python train.py" \\',
    "    --framework torch --data ./digits --detach)",
    'airflow-dlaas train ./code --command "torchrun train.py" --framework torch \\',
    "    --data ./digits --gpus 4 --memory 64GiB --secret HF_TOKEN --param lr=0.01",
    'airflow-dlaas train ./code --command "python train.py" --framework torch \\',
    "    --data ./digits --attempts 3 --recover-exit-code 75 --grace 120",
    'airflow-dlaas train ./code --command "python train.py" --data ./digits --here',
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
        str | None,
        typer.Option(
            metavar="NAME[:VERSION]",
            help="As airflow-dlaas runtimes lists them; no version: the newest. With --here, it may be left "
            "out: the Python that runs this command.",
        ),
    ] = None,
    here: Annotated[
        bool, typer.Option("--here", help="Run in this machine, without a service and without an object store.")
    ] = False,
    data: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FOLDER",
            help="A folder or file of training data, of which only what changed is uploaded; or data where it is: "
            "s3://\\[CONNECTION@]BUCKET\\[/FOLDER], gs://…, swift://…, or mount:/PATH of the service. May be repeated.",
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
            metavar="CONTAINER",
            help="The container of the results: a name, or s3://\\[CONNECTION@]BUCKET, gs://…, swift://…. Default: "
            "that of the data.",
            rich_help_panel=DATA,
        ),
    ] = None,
    size: types.SizeOption = None,
    gpus: types.GpusOption = None,
    cpus: types.CpusOption = None,
    memory: types.MemoryOption = None,
    shared_memory: types.SharedMemoryOption = None,
    time_limit: types.TimeLimitOption = None,
    image: types.ImageOption = None,
    silent_for: types.SilentForOption = None,
    gpu_below: types.GpuBelowOption = None,
    watchdog_action: types.WatchdogActionOption = None,
    env: types.EnvOption = None,
    secret: types.SecretOption = None,
    param: types.ParamOption = None,
    grace: types.GraceOption = None,
    attempts: types.AttemptsOption = None,
    recover_exit_code: types.RecoverExitCodeOption = None,
    resume_from: types.ResumeFromOption = None,
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
        typer.Option(
            metavar="DIR",
            help="The folder of the model. Default: TRAINING_ID/model. With --here: of all results, results/ID.",
            rich_help_panel=WHILE,
        ),
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
        typer.Option(
            "--nested", "--allow-nested", help="Accept folders in the code, for packages.", rich_help_panel=CODE
        ),
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
    from airflow_dlaas.cli.train import execution
    from airflow_dlaas.cli.train.data_places import parse_results
    from airflow_dlaas.cli.train.options import CodeSource, DataOptions, FollowOptions, TrainOptions
    from airflow_dlaas.cli.train.output import make_output
    from airflow_dlaas.cli.train.recovery import RecoveryOptions, require_grace
    from airflow_dlaas.cli.train.secret_values import read_secrets

    if framework is None and not here:
        raise typer.BadParameter(
            "name it, or add --here to use the Python that runs this command", param_hint="--framework"
        )
    results_place = None if results is None or here else parse_results(results)
    options = TrainOptions(
        code=CodeSource(source, tuple(exclude or ()), allow_nested, tuple(allow_secrets or ())),
        command=command,
        framework=framework or "",
        data=_data_sources(data or [], container or []),
        data_options=DataOptions(delete, allow_extra),
        results=results if results_place is None else results_place.container,
        results_store=None if results_place is None else results_place.connection,
        name=name,
        execution=execution.ExecutionOptions(
            resources=execution.ResourceOptions(None if size is None else str(size), gpus, cpus, memory, shared_memory),
            environment=execution.parse_environment(env or (), os.environ),
            secrets=read_secrets(secret or (), os.environ),
            hyperparameters=execution.parse_parameters(param or ()),
            time_limit=execution.parse_duration(time_limit, "--time-limit"),
            grace=require_grace(execution.parse_duration(grace, "--grace", allow_zero=True)),
            image=image,
            watchdog=execution.WatchdogOptions(
                execution.parse_duration(silent_for, "--silent-for"),
                gpu_below,
                None if watchdog_action is None else str(watchdog_action),
            ),
        ),
        recovery=RecoveryOptions(attempts, tuple(recover_exit_code or ()), resume_from),
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
    shown = make_output(as_json=as_json, quiet=quiet)
    if here:
        from airflow_dlaas.cli.train.here.run import HereRun

        raise typer.Exit(HereRun(options, follow_options, shown).run(dry_run=dry_run))
    from airflow_dlaas.cli.train.run import TrainRun

    raise typer.Exit(TrainRun(options, follow_options, shown).run(dry_run=dry_run))


def _data_sources(values: list[str], containers: list[str]) -> tuple[DataSource, ...]:
    from airflow_dlaas.cli.train.data_places import is_place, parse_place
    from airflow_dlaas.cli.train.options import pair_data

    paths = [Path(one) for one in values if not is_place(one)]
    return pair_data(paths, containers, [parse_place(one) for one in values if is_place(one)])
