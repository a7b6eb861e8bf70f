"""
The summary of a training that its task stores, for the time after the service has deleted the training's history.

It is small plain data without secrets, and is pushed as XCom `SUMMARY_XCOM_KEY` when the training has ended, in any
final state.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from airflow_dlaas.contract.curves import metric_label, series_of_final_values
from airflow_dlaas.contract.hyperparameters import redact_secrets, shown_hyperparameters

if TYPE_CHECKING:
    from airflow_dlaas.contract.curves import Curves
    from airflow_dlaas.contract.training import Training

SUMMARY_XCOM_KEY = "dlaas_summary"
"""The XCom with the summary of the task's training."""

METRICS_XCOM_KEY = "metrics"
"""The XCom with the final value of each metric."""

HYPERPARAMETERS_XCOM_KEY = "hyperparameters"
"""The XCom with the hyperparameters of the training's definition, with their types."""

MAX_SUMMARY_POINTS = 100
"""Maximum number of points of a curve in the summary."""
MAX_SUMMARY_CURVES = 20
"""Maximum number of curves: 20 curves of 100 points are about 64 kB, the recommended maximum of an XCom."""
MAX_COMMAND_LENGTH = 4000
"""Maximum number of characters of the command."""


def summarize_training(training: Training, curves: Curves | None, dlaas_conn_id: str) -> dict[str, Any]:
    """Return the summary of *training*; *dlaas_conn_id* is the connection with which it was submitted."""
    summarized_curves = None
    if curves is not None and curves.series is not None:
        # Where there are too many, the curves with the values of whole epochs are the ones to keep.
        kept = sorted(curves.series, key=lambda one: one.progress)[:MAX_SUMMARY_CURVES]
        series = [
            {
                "name": one.name,
                "phase": one.phase,
                "axis": one.axis,
                "progress": one.progress,
                "total": one.total,
                "points": [
                    [step, _round_number(value), round(moment)]
                    for step, value, moment in one.points[-MAX_SUMMARY_POINTS:]
                ],
            }
            for one in kept
        ]
        summarized_curves = {"version": curves.version, "series": series, "complete": True}
    execution = training.entity.model_definition.execution
    parameters = shown_hyperparameters(execution)
    document = training.model_dump(mode="json", exclude_none=True)
    shown = document["entity"]["model_definition"]["execution"]
    shown["command"] = redact_secrets(execution.command)[:MAX_COMMAND_LENGTH]
    if execution.hyperparameters:
        shown["hyperparameters"] = {name: parameters[name] for name in execution.hyperparameters}
    for metric in document["entity"]["status"].get("metrics", ()):
        for value in metric["values"]:
            value["value"] = _json_number(value["value"])
    return {
        "connection": dlaas_conn_id,
        "training": document,
        "curves": summarized_curves,
        "parameters": parameters,
    }


def final_metrics(training: Training, curves: Curves | None = None) -> dict[str, float | str]:
    """
    Return the last value of each metric, by ``phase/name``, or by name if it has no phase.

    The curves have all metrics; without curves, only the metrics in the training's status are known. A value that a
    progress bar showed counts only for a metric that has no other. A value that is not finite is a text ("nan", "inf"):
    JSON, and so an XCom, has no such numbers.
    """
    if curves is not None and curves.series:
        return {
            metric_label(one.phase, one.name): _json_number(one.points[-1][1])
            for one in series_of_final_values(curves.series)
            if one.points
        }
    metrics = list(reversed(training.status.metrics))  # the newest last, which replaces earlier ones of its name
    metrics.sort(key=lambda metric: not metric.progress)
    return {
        metric_label(metric.phase, value.name): _json_number(value.value)
        for metric in metrics
        for value in metric.values
    }


def _json_number(value: float | str) -> float | str:
    """Return *value*, or its text if it is not finite; `float` reads the text back."""
    return value if isinstance(value, str) or math.isfinite(value) else str(value)


def _round_number(value: float) -> float | str:
    """Round to six significant digits; a value that is not finite becomes a text."""
    return float(f"{value:.6g}") if math.isfinite(value) else str(value)
