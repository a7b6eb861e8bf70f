"""The command that shows the metrics of a training: plots, and the values as a table."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING, Annotated

import typer

from airflow_dlaas.cli.command_help import HelpPanel, add_command
from airflow_dlaas.cli.connection_options import HomeOption, open_client
from airflow_dlaas.cli.output import Column, JsonOption, json_document, print_json, print_line, print_table
from airflow_dlaas.cli.plot import PlotSize, draw_plot, short_number
from airflow_dlaas.cli.runs import TrainingIdArgument
from airflow_dlaas.contract.curves import Series, metric_label
from airflow_dlaas.exceptions import InvalidArgument

if TYPE_CHECKING:
    from airflow_dlaas.client.client import Client

PLOT_COLUMNS, PLOT_LINES = 100, 14
"""The largest plot; in a smaller terminal, it is as wide as that."""

DEFAULT_PLOTS = 2
"""Plots without a selection; the table has all metrics."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    add_command(
        app,
        metrics,
        HelpPanel.TRAININGS,
        examples=(
            "airflow-dlaas metrics training-AbC_12-xY",
            "airflow-dlaas metrics training-AbC_12-xY --name accuracy --phase validation",
            "airflow-dlaas metrics training-AbC_12-xY --json",
        ),
    )


def metrics(
    training_id: TrainingIdArgument,
    name: Annotated[
        list[str] | None, typer.Option(help="Only this metric, such as loss or validation/loss; may be repeated.")
    ] = None,
    phase: Annotated[str | None, typer.Option(help="Only this phase: train or validation.")] = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """
    Plot the metrics of a training in the terminal, and print the last and the extreme values of each.

    Without a selection, the loss and one more metric are plotted. A value that is not finite (NaN) is not drawn, and
    counted. Works while the training runs, too.
    """
    with open_client(home) as client:
        found = fetch_series(client, training_id)
    selected = select_series(found, names=name or (), phase=phase)
    if as_json:
        print_json({"series": [json_document(one) for one in selected]})
        return
    if not selected:
        print_line(f"Training {training_id} has no metrics yet", err=True)
        return
    width = min(shutil.get_terminal_size().columns - 1, PLOT_COLUMNS)
    for one in selected if name else plotted_by_default(selected):
        lines = draw_plot(
            series_label(one), [(x, y) for x, y, _ in one.points], PlotSize(width, PLOT_LINES), one.axis or ""
        )
        print_line("\n".join([*lines, ""]))
    print_table(TABLE_COLUMNS, [table_row(one) for one in selected])


TABLE_COLUMNS = (
    Column("METRIC"),
    Column("POINTS"),
    Column("LAST"),
    Column("AT"),
    Column("SMALLEST"),
    Column("LARGEST"),
)


def fetch_series(client: Client, training_id: str) -> Sequence[Series]:
    """
    Return the curves of a training; from a service without curves, the values of its status.

    :raises NotFound: there is no such training.
    """
    from airflow_dlaas.client import calls

    if client.extensions.curves:
        return client.send(calls.get_curves(training_id)).series or ()
    status = client.send(calls.get_training(training_id)).status
    points: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    for metric in status.metrics:
        for value in metric.values:
            point = (float(metric.iteration), value.value, metric.timestamp.timestamp())
            points.setdefault((metric.phase, value.name), []).append(point)
    return [
        Series(name=name, phase=phase, total=len(found), points=tuple(found)) for (phase, name), found in points.items()
    ]


def select_series(series: Sequence[Series], *, names: Sequence[str], phase: str | None) -> Sequence[Series]:
    """
    Return the curves with one of *names*, which may have a phase (``validation/loss``), in *phase*; all without them.

    :raises InvalidArgument: a name or the phase is that of no curve, while there are curves.
    """
    selected = [one for one in series if phase is None or one.phase == phase]
    if series and not selected:
        known = ", ".join(sorted({one.phase or "(none)" for one in series}))
        raise InvalidArgument(f"--phase: no metric has the phase {phase!r}; there are {known}")
    for name in names if series else ():
        if all(name not in (one.name, metric_label(one.phase, one.name)) for one in selected):
            known = ", ".join(sorted({metric_label(one.phase, one.name) for one in selected}))
            raise InvalidArgument(f"--name: there is no metric {name!r}; there are {known}")
    return [one for one in selected if not names or one.name in names or metric_label(one.phase, one.name) in names]


def plotted_by_default(series: Sequence[Series]) -> Sequence[Series]:
    """Return the curves to plot without a selection: the loss first; measured values before those of progress bars."""
    ranked = sorted(series, key=lambda one: (one.progress, one.name.lower() != "loss", "loss" not in one.name.lower()))
    first = ranked[:1]
    others = [one for one in ranked[1:] if (one.name != first[0].name and not one.progress)]
    return [*first, *others[: DEFAULT_PLOTS - 1]]


def series_label(series: Series) -> str:
    """Return the name of a curve with its phase, and whether a progress bar showed it."""
    return metric_label(series.phase, series.name) + (" (progress bar)" if series.progress else "")


def table_row(series: Series) -> Sequence[str]:
    """Return the row of `TABLE_COLUMNS`: values that are not finite count as last ones only."""
    finite = [(x, y) for x, y, _ in series.points if isfinite(y)]
    last_x, last_y, _ = series.points[-1] if series.points else (0.0, float("nan"), 0.0)

    def at(point: tuple[float, float] | None) -> str:
        return "" if point is None else f"{short_number(point[1])} ({short_number(point[0])})"

    return (
        series_label(series),
        f"{series.total:,}",
        short_number(last_y) if series.points else "",
        f"{series.axis or ''} {short_number(last_x)}".strip() if series.points else "",
        at(min(finite, key=lambda point: point[1], default=None)),
        at(max(finite, key=lambda point: point[1], default=None)),
    )
