"""The command `doctor`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from airflow_dlaas._util.retry import NO_RETRY
from airflow_dlaas._util.terminal_text import escape_control_characters
from airflow_dlaas.cli.command_help import HelpPanel, add_command
from airflow_dlaas.cli.connection_options import ConnectionOption, HomeOption, find_store
from airflow_dlaas.cli.doctor.checks import Check, Outcome, exit_code, failed, ok, skipped
from airflow_dlaas.cli.output import JsonOption, print_json
from airflow_dlaas.cli.store_access import open_store
from airflow_dlaas.exceptions import DlaasError

if TYPE_CHECKING:
    from airflow_dlaas.service.config.client_settings import ClientSettings
    from airflow_dlaas.service.config.data_dir import DataDir

COLORS = {Outcome.OK: "green", Outcome.WARNING: "yellow", Outcome.FAILED: "red", Outcome.SKIPPED: "bright_black"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    add_command(
        app,
        doctor,
        HelpPanel.SERVICE,
        examples=(
            "airflow-dlaas doctor",
            "airflow-dlaas doctor --json",
        ),
    )


def doctor(connection: ConnectionOption = None, as_json: JsonOption = False, home: HomeOption = None) -> None:
    """
    Check what a training needs, each in a sentence, with the way out of each problem.

    The exit code is 1 if a check failed, else 0.
    """
    found = []
    for check in run_checks(home, connection):
        found.append(check)
        if not as_json:
            _print_check(check)
    if as_json:
        print_json({"checks": [asdict(one) | {"outcome": str(one.outcome)} for one in found]})
    raise typer.Exit(exit_code(found))


def run_checks(home: Path | None, connection: str | None) -> Iterator[Check]:
    """Do all checks, one after the other."""
    from airflow_dlaas.cli.doctor.machine_checks import skip_machine
    from airflow_dlaas.cli.doctor.service_checks import check_service
    from airflow_dlaas.cli.doctor.store_checks import check_store
    from airflow_dlaas.service.config.client_settings import read_client_settings
    from airflow_dlaas.service.config.data_dir import DataDir, resolve_connection

    try:
        folder, overrides = read_client_settings(os.environ, str(home) if home else None)
        settings = resolve_connection(DataDir(folder), overrides)
    except DlaasError as error:
        yield failed("settings", str(error), "start a service here (airflow-dlaas serve), or set the variables")
    else:
        yield ok("settings", f"{settings.url} as {settings.user}, by {_describe_source(folder, overrides)}")
        yield from check_service(settings)
        try:
            access = find_store(home, connection)
            with open_store(access, retries=NO_RETRY) as store:
                yield from check_store(store, access.place)
        except DlaasError as error:
            yield skipped("object store", str(error))
        if not _is_on_this_machine(DataDir(folder), settings):
            yield from skip_machine("the service runs elsewhere: run doctor on its machine")
            return
    yield from _check_this_machine(home)


def _check_this_machine(home: Path | None) -> Iterator[Check]:
    from airflow_dlaas.cli.doctor.machine_checks import check_machine
    from airflow_dlaas.service.config.read_settings import read_settings

    try:
        settings = read_settings(os.environ, {"home": str(home) if home else None})
    except DlaasError as error:
        yield failed("machine", str(error), "correct the variable")
        return
    yield from check_machine(settings)


def _is_on_this_machine(data_dir: DataDir, settings: ClientSettings) -> bool:
    """Whether the service of *settings* is that of *data_dir*, whose credentials it wrote at its start."""
    stored = data_dir.read_credentials()
    return stored is not None and stored.url == settings.url


def _describe_source(folder: Path, overrides: dict[str, str]) -> str:
    variables = [f"DLAAS_{name.upper()}" for name in ("url", "user", "password") if name in overrides]
    return ", ".join([*variables, *([] if len(variables) == 3 else [str(folder / "credentials.json")])])


def _print_check(check: Check) -> None:
    typer.secho(f"{check.outcome!s:<8}", fg=COLORS[check.outcome], nl=False)
    typer.echo(f" {check.name:<13} {escape_control_characters(check.text, single_line=True)}")
    if check.way_out and check.outcome is not Outcome.OK:
        typer.echo(f"{'':<23}→ {escape_control_characters(check.way_out, single_line=True)}")
