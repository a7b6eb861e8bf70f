"""
Metrics of trainings in Airflow's statistics: StatsD or OpenTelemetry, as configured in ``[metrics]``.

``dlaas.training.ended`` is a counter, and ``dlaas.training.stalled`` one of those trainings whose watchdog found that
the command did no work. ``dlaas.training.queued`` is the time from the submission to the start, and
``dlaas.training.duration`` the time from the start to the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_dlaas.contract.training import Training


def record_ended_training(context: Context, training: Training) -> None:
    """Count an ended training, and record its times."""
    stats, status = _get_stats(), training.status
    tags = {**_tags(context), "state": str(status.state)}
    stats.incr("dlaas.training.ended", tags=tags)
    if status.stalled_seconds is not None:
        stats.incr("dlaas.training.stalled", tags=tags)
    if status.running_at is not None:
        stats.timing("dlaas.training.queued", status.running_at - status.submitted_at, tags=tags)
        if status.finished_at is not None:
            stats.timing("dlaas.training.duration", status.finished_at - status.running_at, tags=tags)


def _tags(context: Context) -> dict[str, str]:
    ti = context["ti"]
    return {"dag_id": ti.dag_id, "task_id": ti.task_id}


def _get_stats() -> Any:
    """Return Airflow's statistics client, whose module has moved."""
    try:
        from airflow.sdk.observability import stats
    except ImportError:  # before Airflow 3.3
        from airflow.stats import Stats

        return Stats
    return stats
