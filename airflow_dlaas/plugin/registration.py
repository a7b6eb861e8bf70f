"""
What Airflow's UI is told of: the pages and where they are shown.

Every process of Airflow imports this at its start, so it imports nothing more; `door` makes the pages when first asked.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from airflow.plugins_manager import AirflowPlugin

from airflow_dlaas.hooks.compat import conf
from airflow_dlaas.plugin.asgi import Door
from airflow_dlaas.task_runs.training_tab import ROUTE

PREFIX = "/dlaas"

OPERATORS = ("TrainModelOperator", "SubmitTrainingOperator", "TrainingSensor")
"""Whose tasks the tab is for."""


# Airflow's UI takes an address as it is: where Airflow lives under a path, that is part of it.
ROOT = urlsplit(conf.get("api", "base_url", fallback="")).path.rstrip("/")


def _view(name: str, destination: str, route: str, href: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "destination": destination, "url_route": route, "href": f"{ROOT}{PREFIX}/{href}", **more}


class DlaasPlugin(AirflowPlugin):
    """The "Training" tab of a task, the trainings of a run and of a DAG, and all trainings."""

    name = "dlaas"
    fastapi_apps = [{"app": Door(PREFIX), "url_prefix": PREFIX, "name": "DLaaS"}]  # noqa: RUF012 - declared so by Airflow
    external_views = [  # noqa: RUF012
        _view(
            "Training",
            "task_instance",
            ROUTE,
            "task?dag_id={DAG_ID}&run_id={RUN_ID}&task_id={TASK_ID}&map_index={MAP_INDEX}",
            applies_to={"operator_name": list(OPERATORS)},  # from Airflow 3.4 on; before, the tab is on every task
        ),
        _view("Trainings", "dag_run", "dlaas-run", "run?dag_id={DAG_ID}&run_id={RUN_ID}"),
        _view("Trainings", "dag", "dlaas-dag", "dag?dag_id={DAG_ID}"),
        _view("Trainings", "nav", "dlaas-trainings", "trainings", category="browse"),
    ]
