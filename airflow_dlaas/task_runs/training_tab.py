"""The address of the "Training" tab in Airflow's UI."""

from __future__ import annotations

from urllib.parse import quote

TAB_ROUTE = "dlaas-training"
"""The name of the tab in the addresses of the UI."""


def training_tab_url(dag_id: str, run_id: str, task_id: str, map_index: int | None) -> str:
    """
    Return the address of the "Training" tab of a task instance.

    Without ``[api] base_url`` it has no host; a link in Airflow's UI then leads to the same host.
    """
    from airflow_dlaas.hooks.compat import conf

    base = conf.get("api", "base_url", fallback="").rstrip("/")
    mapped = f"/mapped/{map_index}" if map_index is not None and map_index >= 0 else ""
    dag, run, task = (quote(one, safe="") for one in (dag_id, run_id, task_id))
    return f"{base}/dags/{dag}/runs/{run}/tasks/{task}{mapped}/plugin/{TAB_ROUTE}"
