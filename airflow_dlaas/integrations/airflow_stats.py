"""
What Airflow's own metrics hear of trainings: StatsD or OpenTelemetry, as ``[metrics]`` of its configuration says.

``dlaas.training.ended`` counts; ``dlaas.training.queued`` is the time from submission to the start, and
``dlaas.training.duration`` that from the start to the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_dlaas.contract.training import Training


def record_ended_training(context: Context, training: Training) -> None:
    """Count a training that has ended, and tell its times."""
    stats, status = _get_stats(), training.status
    tags = {**_tags(context), "state": str(status.state)}
    stats.incr("dlaas.training.ended", tags=tags)
    if status.running_at is not None:
        stats.timing("dlaas.training.queued", status.running_at - status.submitted_at, tags=tags)
        if status.finished_at is not None:
            stats.timing("dlaas.training.duration", status.finished_at - status.running_at, tags=tags)


def _tags(context: Context) -> dict[str, str]:
    ti = context["ti"]
    return {"dag_id": ti.dag_id, "task_id": ti.task_id}


def _get_stats() -> Any:
    """Find Airflow's facility, which has moved."""
    try:
        from airflow.sdk.observability import stats
    except ImportError:  # before Airflow 3.3
        from airflow.stats import Stats

        return Stats
    return stats
