"""A real Airflow with the example DAGs, and a real service, both started once for all system tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_dlaas.demo.airflow import RealAirflow
from airflow_dlaas.demo.service import ServiceChild
from tests.system.stage import Stage, a_service, an_airflow, prepared


@pytest.fixture(scope="session")
def live_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceChild]:
    """``airflow-dlaas serve`` with its embedded Swift, virtual GPUs, and a runtime more that costs nothing."""
    with a_service(tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.fixture(scope="session")
def airflow(tmp_path_factory: pytest.TempPathFactory, live_service: ServiceChild) -> Iterator[RealAirflow]:
    """
    Airflow with scheduler, triggerer, DAG processor and API, connected to `live_service`.

    Its DAG folder (``airflow.dags``) holds the example DAGs; a test may put its own beside them and `wait_for_dag`.
    """
    with an_airflow(tmp_path_factory.mktemp("airflow"), live_service) as airflow:
        yield airflow


@pytest.fixture(scope="session")
def stage(
    airflow: RealAirflow, live_service: ServiceChild, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """Both, and all that the DAGs in ``dags/holds.py`` need."""
    with prepared(airflow, live_service, tmp_path_factory.mktemp("holds")) as stage:
        yield stage
