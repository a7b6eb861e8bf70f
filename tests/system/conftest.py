"""A real Airflow with the example DAGs, and a real service, both started once for all system tests."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_dlaas.demo.airflow import RealAirflow
from airflow_dlaas.demo.service import ServiceChild
from tests.conftest import TEST_RUNTIME

EXAMPLE_DAGS = Path(__file__).parents[2] / "example_dags"
OWN_DAGS = Path(__file__).parent / "dags"


@pytest.fixture(scope="session")
def live_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceChild]:
    """``airflow-dlaas serve`` with its embedded Swift, four virtual GPUs, and a runtime more that costs nothing."""
    home = tmp_path_factory.mktemp("service")
    catalogue = home.with_name("catalogue.toml")
    catalogue.write_text(TEST_RUNTIME.format(bin=Path(sys.executable).parent))
    with ServiceChild(home, settings={"DLAAS_GPUS": "virtual:4", "DLAAS_CATALOGUE": str(catalogue)}) as service:
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
    shutil.copytree(OWN_DAGS, dags / "system")
    with RealAirflow(home, dags) as airflow:
        for name, fields in live_service.connections().items():
            airflow.api.put_connection(name, fields)
        yield airflow
