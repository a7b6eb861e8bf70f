"""
What a task keeps of its training, for when the service has forgotten it: small, without secrets, plain data.

It is pushed as XCom `SUMMARY_XCOM_KEY` when the training has ended, well or not.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from airflow_dlaas.task_runs.hyperparameters import parse_hyperparameters, redact_secrets

if TYPE_CHECKING:
    from airflow_dlaas.contract.curves import Curves
    from airflow_dlaas.contract.training import Training

SUMMARY_XCOM_KEY = "dlaas_summary"
"""XCom in which a task keeps what became of its training."""

METRICS_XCOM_KEY = "metrics"
"""XCom with the final value of each metric."""

MAX_SUMMARY_POINTS = 100
"""Points kept of a curve."""
MAX_SUMMARY_CURVES = 20
"""Curves kept of a training: 20 of 100 points are about 64 kB, the most that an XCom should have."""
MAX_COMMAND_LENGTH = 4000
"""Characters kept of a command."""


def summarize_training(training: Training, curves: Curves | None, dlaas_conn_id: str) -> dict[str, Any]:
    """Put together what is kept of *training*; *dlaas_conn_id* is the id of the connection it was submitted over."""
    kept = None
    if curves is not None and curves.series is not None:
        series = [
            {
                "name": one.name,
                "phase": one.phase,
                "total": one.total,
                "points": [
                    [step, _round_number(value), round(moment)]
                    for step, value, moment in one.points[-MAX_SUMMARY_POINTS:]
                ],
            }
            for one in curves.series[:MAX_SUMMARY_CURVES]
        ]
        kept = {"version": curves.version, "series": series, "complete": True}
    command = training.entity.model_definition.execution.command
    told = training.model_dump(mode="json", exclude_none=True)
    told["entity"]["model_definition"]["execution"]["command"] = redact_secrets(command)[:MAX_COMMAND_LENGTH]
    for metric in told["entity"]["status"].get("metrics", ()):
        for value in metric["values"]:
            value["value"] = _json_number(value["value"])
    return {
        "connection": dlaas_conn_id,
        "training": told,
        "curves": kept,
        "parameters": parse_hyperparameters(command),
    }


def final_metrics(training: Training, curves: Curves | None = None) -> dict[str, float | str]:
    """
    Tell the last value of each metric, by ``phase/name`` where there is a phase.

    The curves know them all; without them it is those of the last lines that had any. One that became no number is told
    as text ("nan", "inf"): JSON, and so an XCom, has no number for it.
    """
    if curves is not None and curves.series:
        return {
            metric_label(one.phase, one.name): _json_number(one.points[-1][1]) for one in curves.series if one.points
        }
    return {
        metric_label(metric.phase, value.name): _json_number(value.value)
        for metric in reversed(training.status.metrics)
        for value in metric.values
    }


def metric_label(phase: str, name: str) -> str:
    """Name a metric, with its phase where there is one."""
    return f"{phase}/{name}" if phase else name


def _json_number(value: float | str) -> float | str:
    """What is no number goes as text, which reads back as it was."""
    return value if isinstance(value, str) or math.isfinite(value) else str(value)


def _round_number(value: float) -> float | str:
    """Keep six digits."""
    return float(f"{value:.6g}") if math.isfinite(value) else str(value)
