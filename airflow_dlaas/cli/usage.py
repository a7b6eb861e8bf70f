"""The command `airflow-dlaas usage`: the GPU-hours by user, DAG or state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from airflow_dlaas.cli.command_help import HelpPanel, add_command
from airflow_dlaas.cli.connection_options import HomeOption, open_client
from airflow_dlaas.cli.output import Column, JsonOption, print_line, print_model, print_table
from airflow_dlaas.exceptions import InvalidArgument, NotConfigured

if TYPE_CHECKING:
    from airflow_dlaas.contract.usage_report import UsageTotal

TITLES = ("TRAININGS", "GPU-HOURS", "WASTED", "SHARE", "FAILED", "CANCELED", "LOST", "STALLED")


def register(app: typer.Typer) -> None:
    """Add the command."""
    add_command(
        app,
        usage,
        HelpPanel.SERVICE,
        examples=(
            "airflow-dlaas usage",
            "airflow-dlaas usage --from 2026-03-01 --to 2026-04-01 --by dag",
            "airflow-dlaas usage --by state --json | jq .total.gpu_hours",
        ),
    )


def usage(
    since: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="Start: a date or a time; 30 days before the end.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="End, which is not included; now without it.")
    ] = None,
    by: Annotated[str, typer.Option(help="What the rows stand for: user, dag or state.")] = "user",
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Print the GPU-hours by user, DAG or state, and which part was wasted."""
    from airflow_dlaas.client import calls
    from airflow_dlaas.contract.usage_report import UsageGrouping

    names = [str(one) for one in UsageGrouping]
    if by not in names:
        raise InvalidArgument(f"--by must be one of {', '.join(names)}, but is {by!r}")
    with open_client(home) as client:
        if not client.extensions.usage_report:
            raise NotConfigured(f"The service at {client.url} has no report of GPU-hours: it must be updated first")
        report = client.send(calls.get_usage_report(since=since, until=until, by=UsageGrouping(by)))
    if as_json:
        print_model(report)
        return
    print_table(
        [Column(by.upper()), *map(Column, TITLES)],
        [
            *([row.name or "(none)", *_format_hours(row)] for row in report.rows),
            ["all", *_format_hours(report.total)],
        ],
    )
    print_line(f"From {report.since:%Y-%m-%d %H:%M} to {report.until:%Y-%m-%d %H:%M} UTC")


def _format_hours(total: UsageTotal) -> list[str]:
    wasted = total.wasted
    share = f"{100 * wasted.total / total.gpu_hours:.0f} %" if total.gpu_hours else ""
    hours = (wasted.failed, wasted.canceled, wasted.lost, wasted.stalled)
    return [
        str(total.trainings),
        f"{total.gpu_hours:.2f}",
        f"{wasted.total:.2f}",
        share,
        *(f"{one:.2f}" if one else "" for one in hours),
    ]
