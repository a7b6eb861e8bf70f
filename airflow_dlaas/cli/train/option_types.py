"""The options of `train` for the command's resources, variables and limits, as typer reads them."""

from __future__ import annotations

from typing import Annotated

import typer

from airflow_dlaas.contract.definition import ResourceType
from airflow_dlaas.contract.watchdog import WatchdogAction

RESOURCES = "Resources and limits"
VARIABLES = "Variables and hyperparameters"
"""The panels of the help."""

SizeOption = Annotated[
    ResourceType | None,
    typer.Option(help="GPUs: small has 1 (the default), medium 2, large 3.", rich_help_panel=RESOURCES),
]
GpusOption = Annotated[
    int | None,
    typer.Option(min=0, metavar="N", help="GPUs, instead of --size; 0 for none.", rich_help_panel=RESOURCES),
]
CpusOption = Annotated[
    float | None,
    typer.Option(metavar="N", help="CPUs that the command may use, such as 4 or 0.5.", rich_help_panel=RESOURCES),
]
MemoryOption = Annotated[
    str | None,
    typer.Option(metavar="SIZE", help="Memory that the command may use, such as 16GiB.", rich_help_panel=RESOURCES),
]
SharedMemoryOption = Annotated[
    str | None,
    typer.Option(metavar="SIZE", help="Size of /dev/shm, a part of the memory.", rich_help_panel=RESOURCES),
]
TimeLimitOption = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Time that the command may take, such as 90m or 2h; then it is stopped, and the training fails.",
        rich_help_panel=RESOURCES,
    ),
]
ImageOption = Annotated[
    str | None,
    typer.Option(help="The container image of the command, if the service permits it.", rich_help_panel=RESOURCES),
]
SilentForOption = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="The training counts as stalled after this time without a line in its log.",
        rich_help_panel=RESOURCES,
    ),
]
GpuBelowOption = Annotated[
    float | None,
    typer.Option(
        metavar="PERCENT",
        help="The training counts as stalled if the mean use of its GPUs is below this for ten minutes.",
        rich_help_panel=RESOURCES,
    ),
]
WatchdogActionOption = Annotated[
    WatchdogAction | None,
    typer.Option(
        help="What happens to a stalled training: a warning (the default), or the end.", rich_help_panel=RESOURCES
    ),
]
EnvOption = Annotated[
    list[str] | None,
    typer.Option(
        "--env",
        metavar="NAME[=VALUE]",
        help="A variable of the command; without a value, that of this shell. May be repeated.",
        rich_help_panel=VARIABLES,
    ),
]
SecretOption = Annotated[
    list[str] | None,
    typer.Option(
        "--secret",
        metavar="NAME[=env:OTHER]",
        help="A secret variable of the command. Its value is that of the variable of this shell, or is asked for; it "
        "is never on the command line. May be repeated.",
        rich_help_panel=VARIABLES,
    ),
]
ParamOption = Annotated[
    list[str] | None,
    typer.Option(
        "--param",
        metavar="NAME=VALUE",
        help="A hyperparameter: a number, true, false or a text. May be repeated.",
        rich_help_panel=VARIABLES,
    ),
]
