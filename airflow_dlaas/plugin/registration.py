"""
Registers the pages with Airflow's UI: which there are, and where they are shown.

Every Airflow process imports this module when it starts, so it imports neither FastAPI nor the routes: `LazyApp` does
that at the first request.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from airflow.plugins_manager import AirflowPlugin

from airflow_dlaas.hooks.compat import conf
from airflow_dlaas.plugin.asgi import LazyApp
from airflow_dlaas.task_runs.training_tab import TAB_ROUTE

URL_PREFIX = "/dlaas"

TAB_OPERATORS = ("TrainModelOperator", "SubmitTrainingOperator", "TrainingSensor")
"""Operators whose tasks have the "Training" tab."""

# Airflow's UI uses an href unchanged: where Airflow is served under a path, the href must contain that path.
ROOT_PATH = urlsplit(conf.get("api", "base_url", fallback="")).path.rstrip("/")


def _external_view(name: str, destination: str, url_route: str, href: str, **extra: Any) -> dict[str, Any]:
    return {
        "name": name,
        "destination": destination,
        "url_route": url_route,
        "href": f"{ROOT_PATH}{URL_PREFIX}/{href}",
        **extra,
    }


class DlaasPlugin(AirflowPlugin):
    """The "Training" tab of a task, the trainings of a run and of a DAG, and all trainings."""

    name = "dlaas"
    fastapi_apps = [{"app": LazyApp(URL_PREFIX), "url_prefix": URL_PREFIX, "name": "DLaaS"}]  # noqa: RUF012 - Airflow declares it as a plain class attribute
    external_views = [  # noqa: RUF012
        _external_view(
            "Training",
            "task_instance",
            TAB_ROUTE,
            "task?dag_id={DAG_ID}&run_id={RUN_ID}&task_id={TASK_ID}&map_index={MAP_INDEX}",
            applies_to={"operator_name": list(TAB_OPERATORS)},  # since Airflow 3.4; before, on every task
        ),
        _external_view("Trainings", "dag_run", "dlaas-run", "run?dag_id={DAG_ID}&run_id={RUN_ID}"),
        _external_view("Trainings", "dag", "dlaas-dag", "dag?dag_id={DAG_ID}"),
        _external_view("Trainings", "nav", "dlaas-trainings", "trainings", category="browse"),
    ]
