"""
Every request to the service as a value: what to send, and how to read the response.

Responses are read tolerantly (`parse_response`), because a newer service may send keys that this version does not know.
Nothing here does I/O. One module per resource: `instance`, `experiments`, `trainings`, `logs`.
"""

from __future__ import annotations

from airflow_dlaas.client.calls.call import Call
from airflow_dlaas.client.calls.experiments import (
    EXPERIMENTS_PATH,
    add_version,
    content_path,
    create_experiment,
    delete_experiment,
    experiment_id_from_path,
    get_content,
    get_experiment,
    get_version,
    list_experiments,
    list_versions,
    put_content,
)
from airflow_dlaas.client.calls.instance import TokenResponse, get_instance, get_token, get_usage_report, list_runtimes
from airflow_dlaas.client.calls.logs import get_curves, get_log, log_stream_path, search_log
from airflow_dlaas.client.calls.maintenance import cordon_gpu, drain_service, end_drain, get_maintenance, uncordon_gpu
from airflow_dlaas.client.calls.trainings import (
    CURSOR_NOW,
    TRAININGS_PATH,
    acknowledge_training,
    annotate_training,
    cancel_training,
    create_training,
    delete_training,
    get_training,
    get_training_document,
    get_training_entity,
    get_usage_history,
    list_changes,
    list_training_inputs,
    list_training_summaries,
    list_trainings,
    list_trainings_page,
)

__all__ = [
    "CURSOR_NOW",
    "EXPERIMENTS_PATH",
    "TRAININGS_PATH",
    "Call",
    "TokenResponse",
    "acknowledge_training",
    "add_version",
    "annotate_training",
    "cancel_training",
    "content_path",
    "cordon_gpu",
    "create_experiment",
    "create_training",
    "delete_experiment",
    "delete_training",
    "drain_service",
    "end_drain",
    "experiment_id_from_path",
    "get_content",
    "get_curves",
    "get_experiment",
    "get_instance",
    "get_log",
    "get_maintenance",
    "get_token",
    "get_training",
    "get_training_document",
    "get_training_entity",
    "get_usage_history",
    "get_usage_report",
    "get_version",
    "list_changes",
    "list_experiments",
    "list_runtimes",
    "list_training_inputs",
    "list_training_summaries",
    "list_trainings",
    "list_trainings_page",
    "list_versions",
    "log_stream_path",
    "put_content",
    "search_log",
    "uncordon_gpu",
]
