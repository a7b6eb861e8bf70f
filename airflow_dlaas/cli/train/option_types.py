"""The options of `train` for the command's resources, variables, limits and attempts, as typer reads them."""

from __future__ import annotations

from typing import Annotated

import typer

from airflow_dlaas.contract.definition import ResourceType
from airflow_dlaas.contract.execution import DEFAULT_GRACE
from airflow_dlaas.contract.recovery import MAX_ATTEMPTS
from airflow_dlaas.contract.watchdog import WatchdogAction

RESOURCES = "Resources and limits"
VARIABLES = "Variables and hyperparameters"
RECOVERY = "Stop, recovery and resume"
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
GraceOption = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Time that the command has to save its state after SIGTERM, when it is canceled or stopped, such as 2m; "
        f"default: {DEFAULT_GRACE:g} seconds.",
        rich_help_panel=RECOVERY,
    ),
]
AttemptsOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=MAX_ATTEMPTS,
        metavar="N",
        help="How often the training may begin, with the first time. A further attempt follows if its process was lost "
        "or the machine was restarted, and begins with the newest checkpoint.",
        rich_help_panel=RECOVERY,
    ),
]
RecoverExitCodeOption = Annotated[
    list[int] | None,
    typer.Option(
        "--recover-exit-code",
        min=1,
        max=255,
        metavar="CODE",
        help="An exit code of the command after which a further attempt follows, too. May be repeated.",
        rich_help_panel=RECOVERY,
    ),
]
ResumeFromOption = Annotated[
    str | None,
    typer.Option(
        metavar="ID",
        help="Begin with the newest checkpoint of this training; one that has not ended is waited for.",
        rich_help_panel=RECOVERY,
    ),
]
