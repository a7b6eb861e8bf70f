"""Where in Airflow's UI a task's training is shown."""

from __future__ import annotations

from urllib.parse import quote

TAB_ROUTE = "dlaas-training"
"""The tab's name in the UI's addresses."""


def training_tab_url(dag_id: str, run_id: str, task_id: str, map_index: int | None) -> str:
    """
    Give the address of the "Training" tab of a task instance.

    It is without a host where ``[api] base_url`` is not set: Airflow's UI, which shows it, takes it as its own.
    """
    from airflow_dlaas.hooks.compat import conf

    base = conf.get("api", "base_url", fallback="").rstrip("/")
    mapped = f"/mapped/{map_index}" if map_index is not None and map_index >= 0 else ""
    dag, run, task = (quote(one, safe="") for one in (dag_id, run_id, task_id))
    return f"{base}/dags/{dag}/runs/{run}/tasks/{task}{mapped}/plugin/{TAB_ROUTE}"
