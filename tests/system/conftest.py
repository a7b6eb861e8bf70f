"""A real Airflow with the example DAGs, and a real service, both started once for all system tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_dlaas.demo.airflow import RealAirflow
from airflow_dlaas.demo.service import ServiceChild

EXAMPLE_DAGS = Path(__file__).parents[2] / "example_dags"


@pytest.fixture(scope="session")
def live_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceChild]:
    """``airflow-dlaas serve`` with its embedded Swift and four virtual GPUs."""
    home = tmp_path_factory.mktemp("service")
    with ServiceChild(home, settings={"DLAAS_GPUS": "virtual:4"}) as service:
        yield service


@pytest.fixture(scope="session")
def airflow(tmp_path_factory: pytest.TempPathFactory, live_service: ServiceChild) -> Iterator[RealAirflow]:
    """
    Airflow with scheduler, triggerer, DAG processor and API, connected to `live_service`.

    Its DAG folder (``airflow.dags``) holds the example DAGs; a test may put its own beside them and `wait_for_dag`.
    """
    home = tmp_path_factory.mktemp("airflow")
    dags = home / "dags"
    shutil.copytree(EXAMPLE_DAGS, dags)
    with RealAirflow(home, dags) as airflow:
        for name, fields in live_service.connections().items():
            airflow.api.put_connection(name, fields)
        yield airflow
